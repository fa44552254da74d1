//! Who is at the other end: the peer, unless the peer is a listed proxy that says for whom it asks.

use core::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::Refusal;

/// Which header listed proxies write. The other one is ignored, because a proxy that does not write it passes on
/// whatever the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The networks whose word about the client's address is taken. Empty by default.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ForwardedHeader,
}

impl TrustedProxies {
    /// Trusts `networks` to write `header`.
    pub const fn new(networks: Vec<IpNet>, header: ForwardedHeader) -> Self {
        Self { networks, header }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the nearest hop, counted from us, that is not a listed proxy. What a listed proxy writes
    /// must be readable; a guess would let a client choose its address (A105).
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<IpAddr, Refusal> {
        let peer = peer.ip().to_canonical();
        if !self.lists(peer) {
            return Ok(peer);
        }
        let hops = match self.header {
            ForwardedHeader::XForwardedFor => hops(headers, "x-forwarded-for", |hop| node(hop.trim())),
            ForwardedHeader::Forwarded => hops(headers, "forwarded", forwarded_for),
        };
        let hops = hops.ok_or_else(|| {
            Refusal::malformed("bad_forwarded_address", "The proxy's statement of the client address is malformed.")
        })?;
        let client = hops.iter().rev().find(|hop| !self.lists(**hop)).or_else(|| hops.first());
        Ok(client.copied().unwrap_or(peer))
    }
}

fn hops(headers: &HeaderMap, name: &str, read: fn(&str) -> Option<IpAddr>) -> Option<Vec<IpAddr>> {
    let mut hops = Vec::new();
    for line in headers.get_all(name) {
        for hop in line.to_str().ok()?.split(',') {
            hops.push(read(hop)?);
        }
    }
    Some(hops)
}

/// One element of `Forwarded`: its `for` parameter. Obfuscated and unknown nodes are no address, hence an error.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
            if found.replace(node(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

/// An address, perhaps with a port, an IPv6 address then in brackets.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare
        .map_or_else(|| text.parse().ok(), |v6| v6.parse().ok().map(IpAddr::V6))
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], header)
    }

    fn client(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 4000);
        proxies(header)
            .client(peer, &headers)
            .map(|ip| ip.to_string())
            .map_err(|refusal| refusal.status_code().as_u16())
    }

    #[test]
    fn a105_a_stranger_cannot_choose_its_address() {
        for value in ["192.0.2.1", "garbage", "127.0.0.1, 10.0.0.1"] {
            let seen = client(ForwardedHeader::XForwardedFor, "203.0.113.9", &[("x-forwarded-for", value)]);
            assert_eq!(seen.unwrap(), "203.0.113.9");
        }
    }

    #[test]
    fn a105_what_a_client_prepends_is_not_believed() {
        let xff = |value| client(ForwardedHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(xff("127.0.0.1, 203.0.113.9").unwrap(), "203.0.113.9");
        assert_eq!(xff("127.0.0.1, 203.0.113.9, 10.0.0.7").unwrap(), "203.0.113.9");
        assert_eq!(xff("203.0.113.9:4711").unwrap(), "203.0.113.9");
        assert_eq!(xff("[2001:db8::1]:4711").unwrap(), "2001:db8::1");
        assert_eq!(xff("::ffff:203.0.113.9").unwrap(), "203.0.113.9");
        let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines).unwrap(), "203.0.113.9");
        assert_eq!(client(ForwardedHeader::XForwardedFor, "::ffff:10.0.0.1", &lines).unwrap(), "203.0.113.9");
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &[]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn a105_what_cannot_be_read_is_refused() {
        for value in
            ["", "unknown", "203.0.113.9,", "300.1.1.1", "203.0.113.9 192.0.2.1", "fe80::1%eth0", "[203.0.113.9]"]
        {
            let seen = client(ForwardedHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", value)]);
            assert_eq!(seen, Err(400), "{value}");
        }
        for value in ["for=_hidden", "for=unknown", "proto=https", "for=1.1.1.1;for=2.2.2.2", "for", "for=\"1.1.1.1"] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", value)]), Err(400), "{value}");
        }
    }

    #[test]
    fn only_the_header_that_the_proxy_writes_is_read() {
        let lines = [("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines).unwrap(), "203.0.113.9");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &lines).unwrap(), "192.0.2.1");
        let quoted = [("forwarded", "for=192.0.2.1, For=\"[2001:db8::1]:47\";proto=https;host=evil.tld")];
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &quoted).unwrap(), "2001:db8::1");
    }
}
