//! The public origin: the one address under which browsers and clients know this server.
//!
//! Issuers, links and redirects are built from it and never from a request (A099, A119); a request that names another
//! host is answered 421 (RFC 9110 §15.5.20).

use claviger_tenancy::PublicUrl;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, Uri};

use super::Refusal;

/// What a request may call us.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) url: PublicUrl,
    host: String,
    port: u16,
    loopback: bool,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Origin {
    pub(super) fn new(url: PublicUrl) -> Self {
        let authority = url.as_str().parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority);
        let (host, port) = authority
            .and_then(|authority| host_and_port(&authority, url.is_secure()))
            .expect("a public URL has a host and a readable port");
        let loopback = LOOPBACK.contains(&host.as_str());
        Self { url, host, port, loopback }
    }

    /// The authority that a request names, if it names exactly one (A119); checks it against ours.
    pub(super) fn accept(&self, parts: &Parts) -> Result<(), Refusal> {
        let named = named_authority(parts)?;
        let (host, port) = host_and_port(&named, self.url.is_secure())
            .ok_or_else(|| Refusal::malformed("bad_host", "The host that the request names is malformed."))?;
        let known = host == self.host || (self.loopback && LOOPBACK.contains(&host.as_str()));
        if known && port == self.port {
            return Ok(());
        }
        Err(Refusal::malformed("unknown_host", "This server does not answer for the host that the request names.")
            .status(StatusCode::MISDIRECTED_REQUEST))
    }
}

fn named_authority(parts: &Parts) -> Result<Authority, Refusal> {
    let bad = |detail: &'static str| Refusal::malformed("bad_host", detail);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = match hosts.next() {
        Some(value) => {
            let text = value.to_str().map_err(|_| bad("The Host header is malformed."))?;
            Some(text.parse::<Authority>().map_err(|_| bad("The Host header is malformed."))?)
        }
        None => None,
    };
    if hosts.next().is_some() {
        return Err(bad("The request has more than one Host header."));
    }
    match (parts.uri.authority(), header) {
        (Some(target), Some(header)) if target.as_str().eq_ignore_ascii_case(header.as_str()) => Ok(header),
        (Some(_), Some(_)) => Err(bad("The request target and the Host header name different hosts.")),
        (Some(target), None) => Ok(target.clone()),
        (None, Some(header)) => Ok(header),
        (None, None) => Err(bad("The request names no host.")),
    }
}

const fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn host_and_port(authority: &Authority, secure: bool) -> Option<(String, u16)> {
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let after_host = &authority.as_str()[authority.host().len()..];
    let port = match after_host {
        "" => default_port(secure),
        rest => rest.strip_prefix(':')?.parse().ok()?,
    };
    Some((authority.host().to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(origin: &str, target: &str, hosts: &[&str]) -> u16 {
        let mut request = http::Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Origin::new(origin.parse().unwrap())
            .accept(&parts)
            .map_or_else(|refusal| refusal.status_code().as_u16(), |()| 200)
    }

    #[test]
    fn a119_only_the_configured_host_is_answered() {
        let origin = "https://id.example.com";
        assert_eq!(ask(origin, "/", &["id.example.com"]), 200);
        assert_eq!(ask(origin, "/", &["ID.example.com:443"]), 200);
        assert_eq!(ask(origin, "https://id.example.com/", &["id.example.com"]), 200);
        assert_eq!(ask(origin, "https://id.example.com/", &[]), 200);
        for host in ["evil.tld", "id.example.com.", "id.example.com:80", "id.example.com.evil.tld", "127.0.0.1"] {
            assert_eq!(ask(origin, "/", &[host]), 421, "{host}");
        }
        for hosts in [
            &[][..],
            &["id.example.com", "id.example.com"],
            &["x@id.example.com"],
            &["id.example.com:"],
            &[":443"],
            &["a b"],
        ] {
            assert_eq!(ask(origin, "/", hosts), 400, "{hosts:?}");
        }
        assert_eq!(ask(origin, "https://evil.tld/", &["id.example.com"]), 400);
    }

    #[test]
    fn a_loopback_origin_answers_to_every_loopback_name_on_its_port() {
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(ask("http://localhost:8080", "/", &[host]), 200, "{host}");
        }
        assert_eq!(ask("http://localhost:8080", "/", &["localhost:8081"]), 421);
        assert_eq!(ask("http://localhost:8080", "/", &["rebound.example:8080"]), 421);
    }
}
