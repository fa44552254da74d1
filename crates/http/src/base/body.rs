//! The body of a request: refused by type and declared length before a byte of it is read, and cut off at the limit.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::{BodyKind, Limits, Refusal};

/// Reads the body of a request that takes `kind`.
pub(super) async fn read<B>(kind: BodyKind, headers: &HeaderMap, body: B, limits: &Limits) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let most = match kind {
        BodyKind::Nothing => 0,
        BodyKind::Form => limits.form_bytes,
        BodyKind::Json => limits.json_bytes,
    };
    if body.is_end_stream() && kind != BodyKind::Json {
        return Ok(Bytes::new());
    }
    of_type(kind, headers)?;
    if body.size_hint().lower() > most as u64 {
        return Err(too_large(kind, most));
    }
    let bytes = tokio::time::timeout(limits.request_timeout, collect(kind, body, most)).await;
    bytes.unwrap_or_else(|_| Err(too_slow(limits.request_timeout)))
}

async fn collect<B: Body<Data = Bytes> + Unpin>(kind: BodyKind, mut body: B, most: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal::malformed("broken_body", "The body could not be read to its end.").close();
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large(kind, most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
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
    use super::*;

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
