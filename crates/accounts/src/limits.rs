//! How often strangers may cause mail and accounts. Counters of requests, not of guesses, so they are short-lived state.

use core::time::Duration;

use claviger_audit::Cx;
use claviger_crypto::MacKey;
use claviger_identity::emails::EmailKey;
use claviger_kernel::Unavailable;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Mails of one kind to one mailbox: 5 an hour, 20 a day (A132). Beyond that nothing is sent, and nobody is told. Each
/// kind counts for itself, so that a stranger who signs up with somebody's address does not use up the owner's resets.
pub(crate) async fn may_mail(cx: &Cx, guard: &MacKey, email: &EmailKey, kind: &str) -> Result<bool, Unavailable> {
    let key = guard.tag("mail limit/1", &[kind.as_bytes(), email.folded().as_bytes()]);
    Ok(under(cx, "mail_hour", &key, HOUR, 5).await? && under(cx, "mail_day", &key, DAY, 20).await?)
}

/// Sign-ups and resets asked for by one source: 20 an hour.
pub(crate) async fn may_ask(cx: &Cx) -> Result<bool, Unavailable> {
    match cx.caller.source {
        Some(source) => under(cx, "ask_hour", source.bucket().to_string().as_bytes(), HOUR, 20).await,
        None => Ok(true),
    }
}

async fn under(cx: &Cx, kind: &'static str, key: &[u8], span: Duration, limit: u64) -> Result<bool, Unavailable> {
    let count = cx.ephemeral.increment(cx.realm(), kind, key, cx.now().plus(span)).await?;
    Ok(count <= limit)
}
