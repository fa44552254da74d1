//! What one connection and one request may cost.

use core::time::Duration;

/// The bounds of a listener. Sizes are bytes; the defaults are those of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The head of a request, request line included; more is 431.
    pub header_bytes: usize,
    /// Header lines in a request; more is 431.
    pub header_lines: usize,
    /// A form body; more is 413, before it is read.
    pub form_bytes: usize,
    /// A JSON body; more is 413, before it is read.
    pub json_bytes: usize,
    /// All bodies together that are larger than 8 KiB; for more of them there is 503.
    pub bodies_bytes: usize,
    /// Fields in a form or a query.
    pub fields: usize,
    /// From the first byte of a head to its last; then the connection is closed.
    pub header_timeout: Duration,
    /// From the end of the head to the answer: 408 while the body is missing, 503 after it.
    pub request_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long requests may go on after the server has been told to stop.
    pub drain_timeout: Duration,
    /// Open connections; more wait in the system's queue.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            header_lines: 100,
            form_bytes: 64 * 1024,
            json_bytes: 256 * 1024,
            bodies_bytes: 64 * 1024 * 1024,
            fields: 100,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
            connections: 10_000,
            streams: 100,
        }
    }
}
