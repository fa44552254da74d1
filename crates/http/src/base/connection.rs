//! One connection: what it is doing, and until when it may go on doing that.
//!
//! A slow head is cut off, an idle connection ends politely, and every one ends when the server stops. The library's own
//! header timer would also run between requests and close kept connections in the middle of a balancer's reuse.

use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::accept::Stage;
use super::head::HeadScan;
use super::{Frame, HeadFacts, Limits};

/// How long a connection that was asked to end may take for it.
const FAREWELL: core::time::Duration = core::time::Duration::from_secs(5);

/// How many idle connections give way at a time when places are wanted.
const GIVING_WAY: usize = 16;

/// Tells idle connections that places are wanted. Some give way, not all: a balancer loses a few kept connections and not
/// its whole pool.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    wanted: AtomicUsize,
    call: Notify,
}

impl Crowd {
    /// Asks some idle connections to end.
    pub(super) fn wants_places(&self) {
        self.wanted.store(GIVING_WAY, Ordering::Relaxed);
        self.call.notify_waiters();
    }

    /// Whether the connection that asks is one of those that give way.
    fn may_go(&self) -> bool {
        let one_less = |wanted: usize| wanted.checked_sub(1);
        self.wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}

/// What a connection without a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    First,
    Next,
    RestOfHead,
}

struct Pulse {
    requests: u32,
    waiting: Waiting,
    since: Instant,
    scan: HeadScan,
}

/// What a connection is doing. Shared by its bytes, its requests and its deadline.
struct Activity(Mutex<Pulse>);

impl Activity {
    fn new() -> Self {
        let pulse = Pulse { requests: 0, waiting: Waiting::First, since: Instant::now(), scan: HeadScan::default() };
        Self(Mutex::new(pulse))
    }

    fn arrived(&self, bytes: &[u8]) {
        let mut pulse = self.0.lock();
        if pulse.scan.is_http2() {
            return;
        }
        let alone = pulse.requests == 0;
        pulse.scan.feed(bytes, alone);
        if alone && pulse.waiting == Waiting::Next {
            pulse.waiting = Waiting::RestOfHead;
            pulse.since = Instant::now();
        }
    }

    fn begin(self: &Arc<Self>) -> (Busy, HeadFacts) {
        let mut pulse = self.0.lock();
        pulse.requests += 1;
        pulse.since = Instant::now();
        (Busy(Arc::clone(self)), pulse.scan.take())
    }

    fn is_idle(&self) -> bool {
        let pulse = self.0.lock();
        pulse.requests == 0 && pulse.waiting == Waiting::Next
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        let pulse = self.0.lock();
        let span = match pulse.waiting {
            _ if pulse.requests > 0 => limits.request_timeout * 2 + limits.header_timeout,
            Waiting::First | Waiting::RestOfHead => limits.header_timeout,
            Waiting::Next => limits.idle_timeout,
        };
        pulse.since + span
    }
}

/// Stands for a request until its answer has been handed to the connection.
struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut pulse = self.0.0.lock();
        pulse.requests -= 1;
        pulse.since = Instant::now();
        pulse.waiting = Waiting::Next;
    }
}

/// An answer's body, which keeps its request counted.
struct Counted {
    body: Full<Bytes>,
    _busy: Busy,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = core::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose incoming bytes are shown to the connection's activity.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let arrived = &buffer.filled()[before..];
        if arrived.has_remaining() {
            self.activity.arrived(arrived);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The HTTP library with our bounds.
pub(super) fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_buf_size(limits.header_bytes.max(8192))
        .max_headers(limits.header_lines)
        .header_read_timeout(None);
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .max_send_buf_size(256 * 1024);
    builder
}

/// Serves `stream` to its end.
pub(super) async fn run<S>(
    stream: S,
    peer: SocketAddr,
    frame: Arc<Frame>,
    protocol: auto::Builder<TokioExecutor>,
    mut stage: watch::Receiver<Stage>,
    crowd: Arc<Crowd>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let limits = frame.limits().clone();
    let requests = Arc::clone(&activity);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (busy, facts) = requests.begin();
        let frame = Arc::clone(&frame);
        async move {
            let response = frame.answer(peer, facts, request).await;
            Ok::<_, core::convert::Infallible>(response.map(|body| Counted { body, _busy: busy }))
        }
    });
    let stream = TokioIo::new(Watched { stream, activity: Arc::clone(&activity) });
    let mut connection = pin!(protocol.serve_connection(stream, service));
    let mut ending: Option<Instant> = None;
    loop {
        let current = *stage.borrow_and_update();
        if current == Stage::Over {
            return;
        }
        if current == Stage::Draining && ending.is_none() {
            // The drain's own deadline is the listener's.
            ending = Some(Instant::now() + limits.drain_timeout * 2);
            connection.as_mut().graceful_shutdown();
        }
        let deadline = ending.unwrap_or_else(|| activity.deadline(&limits));
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "a connection broke off");
                }
                return;
            }
            _ = stage.changed() => {}
            () = crowd.call.notified(), if ending.is_none() => {
                if activity.is_idle() && crowd.may_go() {
                    ending = Some(Instant::now() + FAREWELL);
                    connection.as_mut().graceful_shutdown();
                }
            }
            _ = tokio::time::timeout_at(deadline, core::future::pending::<()>()) => {
                if ending.is_some() {
                    return;
                }
                if activity.deadline(&limits) > Instant::now() {
                    continue;
                }
                if !activity.is_idle() {
                    tracing::debug!(%peer, "a slow connection was closed");
                    return;
                }
                ending = Some(Instant::now() + FAREWELL);
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
