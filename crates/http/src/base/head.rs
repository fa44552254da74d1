//! The heads of HTTP/1 requests as they stood on the wire.
//!
//! Where a proxy and a server disagree about the end of a request, a second one can hide in the first (A211). The HTTP
//! library silently drops `Content-Length` beside `Transfer-Encoding` and equal lengths given twice, so these lines are
//! counted as the bytes pass, and bodies are followed to their end: a body must not pass for a head, nor hide one. A
//! request that two readers could cut differently is refused and its connection closed.

use std::collections::VecDeque;

use http::Version;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;

use super::Refusal;

/// What was counted in one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadFacts {
    /// Whether the whole head was seen, and nothing else was under way meanwhile. A pipelined one does not count as seen.
    pub seen: bool,
    /// `Content-Length` lines.
    pub lengths: u8,
    /// `Transfer-Encoding` lines.
    pub encodings: u8,
}

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";
/// How much is kept of a line's beginning: the longer name, and a letter by which a longer one differs.
const NAME: usize = ENCODING.len() + 1;
/// How much is kept of a value: a length of twenty digits, and some white space.
const VALUE: usize = 32;
/// The line by which HTTP/2 begins (RFC 9113 §3.4). With less of it a request of HTTP/1 could pass for it.
const HTTP2: &[u8] = b"pri * http/2.0";

/// Counts the lines that say where a request ends, in bytes as they come, and follows each request to its end.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    place: Place,
    head: Head,
    /// Heads that have ended and whose requests have not begun, in order.
    ended: VecDeque<HeadFacts>,
    http2: bool,
}

/// Where in a request the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    /// In a body, or in a chunk and its line end, with so many bytes to come.
    Body { left: u64, chunked: bool },
    /// In the line before a chunk (RFC 9112 §7.1), within its digits or past them.
    Size { size: u64, past: bool },
    /// In the lines after the last chunk.
    Trailer { empty: bool },
    /// Nobody can tell: the request is refused, and the connection ends with it.
    Nowhere,
}

/// A head, as far as it has come.
#[derive(Debug, Default)]
struct Head {
    facts: HeadFacts,
    name: Kept<NAME>,
    value: Kept<VALUE>,
    part: Part,
    past_request_line: bool,
    /// The value of the last `Content-Length`; nothing if it is no number.
    length: Option<u64>,
    chunked: bool,
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Name,
    /// The value of a line that counts: only these are kept.
    Counted,
    /// Any other value.
    Other,
}

/// The beginning of a text.
#[derive(Debug)]
struct Kept<const MOST: usize> {
    bytes: [u8; MOST],
    length: usize,
}

impl<const MOST: usize> Default for Kept<MOST> {
    fn default() -> Self {
        Self { bytes: [0; MOST], length: 0 }
    }
}

impl<const MOST: usize> Kept<MOST> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte.to_ascii_lowercase();
            self.length += 1;
        }
    }

    fn is_full(&self) -> bool {
        self.length == MOST
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl HeadScan {
    /// Whether the connection speaks HTTP/2, whose framing leaves nothing to count.
    pub(super) const fn is_http2(&self) -> bool {
        self.http2
    }

    /// Takes note of what has arrived. `alone` says that no request is being answered.
    pub(super) fn feed(&mut self, mut bytes: &[u8], alone: bool) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.http2 {
                return;
            }
            match self.place {
                Place::Nowhere => return,
                Place::Body { left, chunked } => {
                    let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    bytes = &bytes[here..];
                    self.place = match left - here as u64 {
                        0 if chunked => Place::Size { size: 0, past: false },
                        0 => Place::Head,
                        left => Place::Body { left, chunked },
                    };
                    continue;
                }
                Place::Size { size, past } => self.place = in_size_line(*byte, size, past),
                Place::Trailer { empty } => {
                    self.place = match byte {
                        b'\n' if empty => Place::Head,
                        b'\n' => Place::Trailer { empty: true },
                        b'\r' => Place::Trailer { empty },
                        _ => Place::Trailer { empty: false },
                    };
                }
                Place::Head => {
                    if self.head.is_new() {
                        self.head.facts.seen = alone && self.ended.is_empty();
                    }
                    if self.head.take(*byte) {
                        let head = core::mem::take(&mut self.head);
                        self.place = head.body();
                        self.ended.push_back(head.facts);
                    }
                    self.http2 = self.head.is_http2();
                }
            }
            bytes = rest;
        }
    }

    /// The facts of the head that was handed on.
    pub(super) fn take(&mut self) -> HeadFacts {
        self.ended.pop_front().unwrap_or_default()
    }
}

fn in_size_line(byte: u8, size: u64, past: bool) -> Place {
    match (byte, char::from(byte).to_digit(16)) {
        (b'\n', _) if size == 0 => Place::Trailer { empty: true },
        // The chunk, and the line end behind it.
        (b'\n', _) => Place::Body { left: size.saturating_add(2), chunked: true },
        (_, Some(digit)) if !past => {
            let longer = size.checked_mul(16).and_then(|size| size.checked_add(digit.into()));
            longer.map_or(Place::Nowhere, |size| Place::Size { size, past })
        }
        _ => Place::Size { size, past: true },
    }
}

impl Head {
    /// Whether nothing has come but line ends, which may stand before a request (RFC 9112 §2.2).
    fn is_new(&self) -> bool {
        !self.past_request_line && self.part == Part::Name && self.name.length == 0
    }

    fn is_http2(&self) -> bool {
        !self.past_request_line && self.part == Part::Name && self.name.text() == HTTP2
    }

    /// Takes the next byte; whether the head has ended with it.
    fn take(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' => return self.end_of_line(),
            b'\r' => {}
            _ if self.part == Part::Counted => self.value.push(byte),
            _ if self.part == Part::Other => {}
            b':' if matches!(self.name.text(), LENGTH | ENCODING) => self.part = Part::Counted,
            b':' => self.part = Part::Other,
            letter => self.name.push(letter),
        }
        false
    }

    fn end_of_line(&mut self) -> bool {
        let empty = self.name.length == 0 && self.part == Part::Name;
        let ended = empty && self.past_request_line;
        if !self.past_request_line {
            self.past_request_line = !empty;
        } else if self.part == Part::Counted {
            let value = self.value.text().trim_ascii();
            match self.name.text() {
                LENGTH => {
                    self.facts.lengths = self.facts.lengths.saturating_add(1);
                    self.length = if self.value.is_full() { None } else { number(value) };
                }
                ENCODING => {
                    self.facts.encodings = self.facts.encodings.saturating_add(1);
                    self.chunked = value == b"chunked";
                }
                _ => {}
            }
        }
        (self.name, self.value, self.part) = Default::default();
        ended
    }

    /// Where the byte after the head stands.
    fn body(&self) -> Place {
        match (self.facts.lengths, self.facts.encodings, self.length) {
            (0, 0, _) | (1, 0, Some(0)) => Place::Head,
            (1, 0, Some(left)) => Place::Body { left, chunked: false },
            (0, 1, _) if self.chunked => Place::Size { size: 0, past: false },
            _ => Place::Nowhere,
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
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
        whole.feed(head.as_bytes(), true);
        let whole = whole.take();
        let mut drops = HeadScan::default();
        head.bytes().for_each(|byte| drops.feed(&[byte], true));
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

    const PLAIN: HeadFacts = HeadFacts { seen: true, lengths: 0, encodings: 0 };

    #[test]
    fn a211_the_next_head_stands_behind_the_body_whatever_the_body_looks_like() {
        let length = HeadFacts { lengths: 1, ..PLAIN };
        let chunks = HeadFacts { encodings: 1, ..PLAIN };
        for (first, facts) in [
            ("GET / HTTP/1.1\r\n\r\n", PLAIN),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", length),
            ("POST / HTTP/1.1\r\nContent-Length:\t008 \r\n\r\na: b\r\n\r\n", length),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", chunks),
            (
                "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n1F ;x=\"y\"\r\nGET /0123456789 HTTP/1.1\r\na:b\r\n\r\n\
                 4;5\r\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n",
                chunks,
            ),
        ] {
            let mut scan = HeadScan::default();
            scan.feed(first.as_bytes(), true);
            assert_eq!(scan.take(), facts, "{first:?}");
            scan.feed(b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", true);
            assert_eq!(scan.take(), HeadFacts { lengths: 2, ..PLAIN }, "{first:?}");
        }
    }

    #[test]
    fn a211_a_head_that_comes_too_early_is_counted_but_not_called_seen() {
        let mut scan = HeadScan::default();
        scan.feed(b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true);
        assert_eq!(scan.take(), PLAIN);
        assert_eq!(scan.take(), HeadFacts { seen: false, encodings: 1, ..PLAIN });
        scan.feed(b"\r\nGET", false);
        scan.feed(b" / HTTP/1.1\r\n\r\n", true);
        assert_eq!(scan.take(), HeadFacts { seen: false, ..PLAIN });
        scan.feed(b"GET / HTTP/1.1\r\n\r\n", true);
        assert_eq!(scan.take(), PLAIN);
    }

    #[test]
    fn behind_a_request_that_ends_nowhere_nothing_is_seen() {
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: x\r\n",
            "Content-Length: 0000000000000000000000000000000000001\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
        ] {
            let mut scan = HeadScan::default();
            scan.feed(format!("POST / HTTP/1.1\r\n{lines}\r\n").as_bytes(), true);
            assert!(scan.take().seen);
            scan.feed(b"GET / HTTP/1.1\r\n\r\n", true);
            assert_eq!(scan.take(), HeadFacts::default(), "{lines}");
        }
    }

    #[test]
    fn http2_is_left_alone() {
        let mut scan = HeadScan::default();
        scan.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true);
        assert!(scan.is_http2());
        assert_eq!(scan.take(), HeadFacts::default());
        assert!(scan.is_http2());
        let mut scan = HeadScan::default();
        scan.feed(b"PRI * HTTP/1.1\r\n\r\n", true);
        assert!(!scan.is_http2() && scan.take().seen);
    }
}
