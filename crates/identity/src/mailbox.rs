//! Proof that somebody reads a mailbox: a code of eight digits, sent there and typed back in the browser that asked.
//!
//! A challenge belongs to one flow and one address. Its code stands in the store only as a keyed hash, dies after five
//! wrong answers, and the address that it proves is the one it was sent to, whatever was typed since (A120, A131).

use core::time::Duration;

use claviger_audit::Cx;
use claviger_crypto::MacKey;
use claviger_kernel::{FlowId, Secret, Timestamp, Unavailable};
use serde::{Deserialize, Serialize};

use crate::emails::{EmailError, EmailKey};

const KIND: &str = "mailbox";
const TRIES_KIND: &str = "mailbox_tries";
/// Wrong answers that a challenge survives, less one.
pub const TRIES: u64 = 5;

/// What a proven mailbox lets its reader do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Make an account for the address.
    SignUp,
    /// Mark the address of an account verified.
    Verify,
    /// Choose a new password.
    Reset,
}

impl Purpose {
    /// The purpose's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }
}

/// A code as it goes into the mail.
pub struct Code(Secret<String>);

impl Code {
    /// The eight digits.
    pub const fn digits(&self) -> &Secret<String> {
        &self.0
    }
}

/// A mailbox that was proven just now, for one purpose. Only [`answer`] makes one.
#[derive(Debug)]
pub struct ProvenMailbox {
    email: EmailKey,
    purpose: Purpose,
    at: Timestamp,
}

impl ProvenMailbox {
    /// The address that the code was sent to.
    pub const fn email(&self) -> &EmailKey {
        &self.email
    }

    /// What it was proven for.
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When.
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

/// The code was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not the code; more tries are left.
    #[error("that is not the code from the mail")]
    Wrong,
    /// No challenge stands: used, expired, or answered wrongly too often.
    #[error("the code is no longer good; ask for a new one")]
    Over,
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

#[derive(Serialize, Deserialize)]
struct Challenge {
    address: String,
    purpose: Purpose,
    tag: [u8; 32],
    /// When it is over, in microseconds since 1970; its wrong answers are counted until then.
    expires_at: i64,
    /// Nobody got this code: the address is not what the purpose needs. The work is the same.
    void: bool,
}

/// Begins (or begins anew) the challenge of `flow`; an earlier code of the flow is dead.
///
/// A `void` challenge does the same work and can never be answered: for an address that the purpose does not fit, and
/// where no mail goes out.
pub async fn challenge(
    cx: &Cx,
    guard: &MacKey,
    flow: FlowId,
    purpose: Purpose,
    email: &EmailKey,
    void: bool,
    life: Duration,
) -> Result<Code, Unavailable> {
    let digits = Secret::new(eight_digits(cx));
    let expires = cx.now().plus(life);
    let challenge = Challenge {
        address: email.address().to_owned(),
        purpose,
        tag: tag(guard, flow, &digits),
        expires_at: expires.micros(),
        void,
    };
    let value = serde_json::to_vec(&challenge).expect("a challenge is plain JSON");
    cx.ephemeral.put(cx.realm(), KIND, flow.as_bytes(), value, expires).await?;
    Ok(Code(digits))
}

/// Judges an answer to a challenge made for `purpose`. Right, it uses the challenge up; of parallel right answers one
/// wins.
pub async fn answer(
    cx: &Cx,
    guard: &MacKey,
    flow: FlowId,
    purpose: Purpose,
    typed: &str,
) -> Result<ProvenMailbox, AnswerError> {
    let key = flow.as_bytes();
    let value = cx.ephemeral.get(cx.realm(), KIND, key).await?.ok_or(AnswerError::Over)?;
    let challenge: Challenge = serde_json::from_slice(&value).map_err(|_| AnswerError::Over)?;
    if challenge.purpose != purpose {
        return Err(AnswerError::Over);
    }
    // Counted per challenge, so that no answer to one is ever counted, or forgotten, with another.
    let expires = Timestamp::from_micros(challenge.expires_at);
    let tries_key = [key.as_slice(), &challenge.tag[..16]].concat();
    let tries = cx.ephemeral.increment(cx.realm(), TRIES_KIND, &tries_key, expires).await?;
    if tries > TRIES {
        cx.ephemeral.take(cx.realm(), KIND, key).await?;
        return Err(AnswerError::Over);
    }
    let digits: String = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    let expected = tag(guard, flow, &Secret::new(digits));
    if challenge.void || !claviger_kernel::constant_time_eq(&expected, &challenge.tag) {
        return Err(if tries == TRIES { AnswerError::Over } else { AnswerError::Wrong });
    }
    cx.ephemeral.take(cx.realm(), KIND, key).await?.ok_or(AnswerError::Over)?;
    let email = EmailKey::parse(&challenge.address).map_err(|EmailError| AnswerError::Over)?;
    Ok(ProvenMailbox { email, purpose: challenge.purpose, at: cx.now() })
}

fn tag(guard: &MacKey, flow: FlowId, digits: &Secret<String>) -> [u8; 32] {
    guard.tag("mailbox code/1", &[flow.as_bytes(), digits.expose().as_bytes()])
}

/// Eight random digits, each number as likely as any other.
fn eight_digits(cx: &Cx) -> String {
    const RANGE: u32 = 100_000_000;
    const FAIR: u32 = u32::MAX - u32::MAX % RANGE;
    loop {
        let number = u32::from_be_bytes(cx.random());
        if number < FAIR {
            return format!("{:08}", number % RANGE);
        }
    }
}
