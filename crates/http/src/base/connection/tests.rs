//! What is counted of a head, over a stream whose reads are cut as an attacker would have them cut.

use core::task::Waker;
use std::collections::VecDeque;

use claviger_kernel::{ManualClock, SeededEntropy, Timestamp};

use super::*;
use crate::base::{Access, ForwardedHeader, FrameOptions, Kind, Reply, Route, Routes, TrustedProxies};

/// Hands out one piece at each read, or as much of it as is asked for, then the end; keeps what is written. An
/// empty piece is the end too.
struct Script {
    /// Each with the number of answers that it waits for.
    pieces: VecDeque<(usize, &'static str)>,
    taken: Arc<AtomicUsize>,
    written: Arc<Mutex<Vec<u8>>>,
    waker: Option<Waker>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some((after, piece)) = self.pieces.front().copied() else { return Poll::Ready(Ok(())) };
        if statuses(&String::from_utf8_lossy(&self.written.lock())).len() < after {
            self.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let (now, later) = piece.split_at(piece.len().min(buffer.remaining()));
        buffer.put_slice(now.as_bytes());
        self.pieces.pop_front();
        if later.is_empty() {
            self.taken.fetch_add(1, Ordering::SeqCst);
        } else {
            self.pieces.push_front((after, later));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.lock().extend_from_slice(bytes);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Everything that is answered to `pieces`. `/slow` answers once two pieces were read.
async fn answers(pieces: impl IntoIterator<Item = (usize, &'static str)>) -> String {
    let gate = Arc::new(Notify::new());
    let get = |path| Route::get(path, Kind::Api, Access::Public).server_wide();
    let form = Route::post("/form", Kind::OAuth, Access::Client).server_wide();
    let routes = Routes::new()
        .add(get("/slow"), &gate, |gate, _| async move {
            gate.notified().await;
            Ok(Reply::text("slow"))
        })
        .add(get("/hidden"), &gate, |_, _| async { Ok(Reply::text("hidden")) })
        .add(form, &gate, |_, _| async { Ok(Reply::text("form")) });
    let frame = Arc::new(Frame::new(FrameOptions {
        public_url: "https://id.test".parse().unwrap(),
        any_host: false,
        proxies: TrustedProxies::new(Vec::new(), ForwardedHeader::default()),
        limits: Limits::default(),
        clock: Arc::new(ManualClock::new(Timestamp::default())),
        entropy: Arc::new(SeededEntropy::new(1)),
        realms: None,
        routes,
    }));
    let (taken, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let script = Script {
        pieces: pieces.into_iter().collect(),
        taken: Arc::clone(&taken),
        written: Arc::clone(&written),
        waker: None,
    };
    let stage = watch::Sender::new(Stage::Running);
    let protocol = protocol(frame.limits());
    let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
    let served = run(script, peer, frame, protocol, stage.subscribe(), Arc::default());
    let released = async {
        while taken.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
        core::future::pending::<()>().await;
    };
    tokio::select! {
        () = served => {}
        () = released => {}
    }
    let bytes = written.lock().clone();
    String::from_utf8(bytes).unwrap()
}

/// Everything that is answered to `pieces`, none of which waits for an answer.
async fn at_once(pieces: &[&'static str]) -> String {
    answers(pieces.iter().map(|piece| (0, *piece))).await
}

/// The statuses of all answers.
fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

const TWO_ENDS: &str = "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
    Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
const TWO_LENGTHS: &str = "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
    Content-Length: 0\r\nContent-Length: 0\r\n";
const HIDDEN: &str = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: id.test\r\n\r\n";

#[tokio::test]
async fn a211_a_head_that_begins_while_another_request_is_answered_is_counted_too() {
    for head in [TWO_ENDS, TWO_LENGTHS] {
        let pieces = ["GET /slow HTTP/1.1\r\nHost: id.test\r\n\r\n", head, "X: y\r\n\r\n", HIDDEN];
        let answers = at_once(&pieces).await;
        assert_eq!(statuses(&answers), ["200", "400"], "{answers}");
    }
}

#[tokio::test]
async fn a211_a_body_that_nobody_wanted_does_not_pass_for_the_next_head() {
    let unread = ["POST /nowhere HTTP/1.1\r\nHost: id.test\r\nContent-Length: 9\r\n\r\n", "a: b\r\n\r\nc"];
    let chunks =
        ["POST /nowhere HTTP/1.1\r\nHost: id.test\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\n\r\n\r\n\r\n0\r\n\r\n"];
    for [head, body] in [unread, chunks] {
        for next in [TWO_ENDS, TWO_LENGTHS] {
            let answers = at_once(&[head, body, next, "\r\n", HIDDEN]).await;
            assert_eq!(statuses(&answers), ["404", "400"], "{answers}");
        }
    }
}

#[tokio::test]
async fn a211_a_method_that_looks_like_http2_does_not_stop_the_counting() {
    let pieces = ["PRI /hidden HTTP/1.1\r\nHost: id.test\r\n\r\n", TWO_LENGTHS, "\r\n", HIDDEN];
    let answers = at_once(&pieces).await;
    assert_eq!(statuses(&answers), ["405", "400"], "{answers}");
}

#[tokio::test]
async fn honest_bodies_of_every_kind_leave_the_connection_in_step() {
    const CHUNKED: &str = "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let pieces = [
        (0, CHUNKED),
        (0, "3;x=y\r\na=1\r\nA\r\n&b=2345678\r\n0\r\nTrailer: x\r\n\r\n"),
        (
            1,
            "POST /form HTTP/1.1\r\nHost: id.test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length:  5 \r\n\r\na=",
        ),
        (1, "1&b"),
        (2, CHUNKED),
        (2, "1\r\na\r\n0\r\n\r\n"),
        (3, "GET /hidden HTTP/1.1\r\nHost: id.test\r\n\r\n"),
        (4, CHUNKED),
        (4, "0\r\n\r\n"),
        (5, ""),
    ];
    let answers = answers(pieces).await;
    assert_eq!(statuses(&answers), ["200", "200", "200", "200", "200"], "{answers}");
}
