//! The body of a request: refused by type and declared length before a byte of it is read, and cut off at the limit.
//!
//! All bodies together have a limit too. Without it as many connections as a listener takes, each with a body that is sent
//! but for its last byte, would fill the memory before anybody has proved anything.

use core::time::Duration;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use claviger_kernel::ErrorClass;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BodyKind, Limits, Refusal};

/// What every body may have, whatever the others have: a form, or the JSON of a step of a sign-in. So whoever fills the
/// room that bodies share keeps large ones out and nobody from signing in.
const SMALL: usize = 8 * 1024;
/// In what portions room is given.
const PORTION: usize = 1024;

/// The room that the large bodies of a listener share.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new((limits.bodies_bytes / PORTION).min(Semaphore::MAX_PERMITS))))
    }
}

/// A body that was read, and the room that it takes up.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _place: Place,
}

impl Held {
    fn nothing() -> Self {
        Self { bytes: Bytes::new(), _place: Place::default() }
    }
}

/// Room that is taken up.
#[derive(Debug, Default)]
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    portions: usize,
}

impl Place {
    /// Makes room for a body of `length` in all.
    fn grow(&mut self, room: &Room, length: usize) -> Result<(), Refusal> {
        let wanted = length.saturating_sub(SMALL).div_ceil(PORTION);
        let more = wanted.saturating_sub(self.portions);
        if more == 0 {
            return Ok(());
        }
        let busy = || {
            let detail = "The server is reading too many large bodies. Try again in a moment.";
            Refusal::new(ErrorClass::Unavailable, "too_many_bodies", detail).close()
        };
        let count = u32::try_from(more).map_err(|_| busy())?;
        let permit = Arc::clone(&room.0).try_acquire_many_owned(count).map_err(|_| busy())?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self.portions = wanted;
        Ok(())
    }
}

/// Reads the body of a request that takes `kind`.
pub(super) async fn read<B>(
    kind: BodyKind,
    headers: &HeaderMap,
    body: B,
    limits: &Limits,
    room: &Room,
) -> Result<Held, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let most = match kind {
        BodyKind::Nothing => 0,
        BodyKind::Form => limits.form_bytes,
        BodyKind::Json => limits.json_bytes,
    };
    if body.is_end_stream() && kind != BodyKind::Json {
        return Ok(Held::nothing());
    }
    of_type(kind, headers)?;
    if body.size_hint().lower() > most as u64 {
        return Err(too_large(kind, most));
    }
    let bytes = tokio::time::timeout(limits.request_timeout, collect(kind, body, most, room)).await;
    bytes.unwrap_or_else(|_| Err(too_slow(limits.request_timeout)))
}

async fn collect<B: Body<Data = Bytes> + Unpin>(
    kind: BodyKind,
    mut body: B,
    most: usize,
    room: &Room,
) -> Result<Held, Refusal> {
    let (mut bytes, mut place) = (BytesMut::new(), Place::default());
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal::malformed("broken_body", "The body could not be read to its end.").close();
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large(kind, most));
        }
        place.grow(room, bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Held { bytes: bytes.freeze(), _place: place })
}

fn too_large(kind: BodyKind, most: usize) -> Refusal {
    if kind == BodyKind::Nothing {
        return Refusal::malformed("unexpected_body", "This request takes no body.").close();
    }
    Refusal::malformed("body_too_large", format!("The body is larger than {most} bytes."))
        .status(StatusCode::PAYLOAD_TOO_LARGE)
        .close()
}

fn too_slow(limit: Duration) -> Refusal {
    Refusal::malformed("body_too_slow", format!("The body did not arrive within {} s.", limit.as_secs()))
        .status(StatusCode::REQUEST_TIMEOUT)
        .close()
}

fn of_type(kind: BodyKind, headers: &HeaderMap) -> Result<(), Refusal> {
    let wanted = match kind {
        BodyKind::Nothing => return Ok(()),
        BodyKind::Form => "application/x-www-form-urlencoded",
        BodyKind::Json => "application/json",
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let right = match (types.next(), types.next()) {
        (Some(value), None) => value.to_str().is_ok_and(|value| is(value, wanted)),
        _ => false,
    };
    if right && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Refusal::malformed("wrong_content_type", format!("Send the body as {wanted} in UTF-8, uncompressed."))
        .status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .close())
}

/// Whether a `Content-Type` is `wanted`, in UTF-8 if it says so.
fn is(value: &str, wanted: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
        && parts.all(|parameter| {
            let charset = parameter.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("charset"));
            charset.is_none_or(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
        })
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use core::pin::Pin;
    use core::task::{Context, Poll};

    use futures_util::FutureExt as _;
    use http::header::HeaderValue;

    use super::*;

    /// A body whose end does not come, or comes at once.
    struct Sent {
        data: Option<usize>,
        ends: bool,
    }

    impl Body for Sent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            match self.data.take() {
                Some(length) => Poll::Ready(Some(Ok(http_body::Frame::data(vec![b' '; length].into())))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn a224_large_bodies_share_a_bounded_room_and_small_ones_need_none() {
        let limits = Limits { bodies_bytes: 100 * 1024, ..Limits::default() };
        let room = Room::new(&limits);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let send = |length, ends| {
            let body = Sent { data: Some(length), ends };
            read(BodyKind::Json, &headers, body, &limits, &room)
        };
        let mut stalled = Box::pin(send(90 * 1024, false));
        assert!(stalled.as_mut().now_or_never().is_none(), "it waits for its end");
        let refusal = send(90 * 1024, true).await.err().unwrap();
        assert_eq!((refusal.status_code(), refusal.closes()), (StatusCode::SERVICE_UNAVAILABLE, true));
        let mut small = Vec::new();
        for _ in 0..100 {
            small.push(send(SMALL, true).await.expect("small ones need no room"));
        }
        let held = send(20 * 1024, true).await.expect("there is room for this one");
        drop(stalled);
        assert_eq!(send(98 * 1024, true).await.err().unwrap().code(), "too_many_bodies");
        drop(held);
        assert!(send(98 * 1024, true).await.is_ok());
    }

    #[test]
    fn a_type_may_name_utf_8_and_nothing_else() {
        for (value, right) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"", true),
            ("application/json; v=1", true),
            ("application/json; charset=utf-16", false),
            ("application/jsonp", false),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("", false),
        ] {
            assert_eq!(is(value, "application/json"), right, "{value}");
        }
    }
}
