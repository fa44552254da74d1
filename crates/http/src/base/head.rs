//! The head of an HTTP/1 request as it stood on the wire.
//!
//! Where a proxy and a server disagree about the end of a request, a second one can hide in the first (A211). The HTTP
//! library silently drops `Content-Length` beside `Transfer-Encoding` and equal lengths given twice, so these lines are
//! counted as the bytes pass; a request that two readers could cut differently is refused and its connection closed.

use http::Version;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;

use super::Refusal;

/// What was counted in one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadFacts {
    /// Whether the whole head was seen. A pipelined head is not: its bytes came with those of the request before.
    pub seen: bool,
    /// `Content-Length` lines.
    pub lengths: u8,
    /// `Transfer-Encoding` lines.
    pub encodings: u8,
}

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";
const NAME: usize = ENCODING.len() + 1;

/// Counts the lines that say where a request ends, in bytes as they come.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    facts: HeadFacts,
    name: [u8; NAME],
    length: usize,
    past_name: bool,
    past_request_line: bool,
    http2: bool,
}

impl HeadScan {
    /// Whether the connection speaks HTTP/2 (RFC 9113 §3.4), whose framing leaves nothing to count.
    pub(super) const fn is_http2(&self) -> bool {
        self.http2
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.facts.seen || self.http2 {
                return;
            }
            match byte {
                b'\n' => self.end_of_line(),
                b':' => self.past_name = true,
                b'\r' => {}
                _ if self.past_name => {}
                letter => {
                    if let Some(place) = self.name.get_mut(self.length) {
                        *place = letter.to_ascii_lowercase();
                    }
                    self.length = (self.length + 1).min(NAME);
                    self.http2 = !self.past_request_line && self.length == 4 && &self.name[..4] == b"pri ";
                }
            }
        }
    }

    fn end_of_line(&mut self) {
        let empty = self.length == 0 && !self.past_name;
        if !self.past_request_line {
            self.past_request_line = !empty;
        } else if empty {
            self.facts.seen = true;
        } else if self.past_name {
            match &self.name[..self.length.min(NAME)] {
                LENGTH => self.facts.lengths = self.facts.lengths.saturating_add(1),
                ENCODING => self.facts.encodings = self.facts.encodings.saturating_add(1),
                _ => {}
            }
        }
        self.length = 0;
        self.past_name = false;
    }

    /// The facts of the head that was handed on; the next one starts afresh.
    pub(super) fn take(&mut self) -> HeadFacts {
        let facts = self.facts;
        *self = Self { http2: self.http2, ..Self::default() };
        facts
    }
}

/// Lets a request pass whose end all readers see at the same place (RFC 9112 §6.1, §6.3).
pub(super) fn unambiguous(parts: &Parts, facts: HeadFacts) -> Result<(), Refusal> {
    let refused = || {
        Err(Refusal::malformed("ambiguous_framing", "The request does not say clearly where its body ends.").close())
    };
    let mut encodings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let encoding = encodings.next();
    if parts.version == Version::HTTP_2 {
        return if encoding.is_some() { refused() } else { Ok(()) };
    }
    if facts.lengths > 1 || facts.encodings > 1 || encodings.next().is_some() {
        return refused();
    }
    match encoding {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"chunked") => refused(),
        Some(_) if facts.lengths > 0 || !facts.seen => refused(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(head: &str) -> HeadFacts {
        let mut whole = HeadScan::default();
        whole.feed(head.as_bytes());
        let whole = whole.take();
        let mut drops = HeadScan::default();
        head.bytes().for_each(|byte| drops.feed(&[byte]));
        assert_eq!(drops.take(), whole, "the cut of the reads must not matter");
        whole
    }

    #[test]
    fn lines_are_counted_whatever_their_case_and_line_end() {
        let facts = |seen, lengths, encodings| HeadFacts { seen, lengths, encodings };
        assert_eq!(scan("GET / HTTP/1.1\r\nHost: a\r\n\r\nContent-Length: 1\r\n"), facts(true, 0, 0));
        assert_eq!(
            scan("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 4\r\n\r\n"),
            facts(true, 1, 1)
        );
        assert_eq!(scan("\r\n\nPOST / HTTP/1.1\nContent-Length: 4\nContent-Length: 4\n\n"), facts(true, 2, 0));
        assert_eq!(scan("POST / HTTP/1.1\r\nX-Content-Length: 4\r\nContent-Lengthy: 4\r\n\r\n"), facts(true, 0, 0));
        assert_eq!(scan("POST /content-length HTTP/1.1\r\nX: content-length: 3\r\n"), facts(false, 0, 0));
    }

    #[test]
    fn the_next_head_starts_afresh() {
        let mut scan = HeadScan::default();
        scan.feed(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(scan.take().lengths, 1);
        scan.feed(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(scan.take(), HeadFacts { seen: true, ..HeadFacts::default() });
    }

    #[test]
    fn http2_is_left_alone() {
        let mut scan = HeadScan::default();
        scan.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(scan.is_http2());
        assert_eq!(scan.take(), HeadFacts::default());
        assert!(scan.is_http2());
    }
}
