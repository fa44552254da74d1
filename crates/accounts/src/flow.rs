//! A flow: one person on the way to a session, in one browser. Its state is ours; the browser holds only the key to it.

use claviger_audit::Cx;
use claviger_kernel::{FlowId, Secret, Timestamp, Unavailable, UserId};
use serde::{Deserialize, Serialize};

use crate::engine::StepError;

const KIND: &str = "flow";

/// What the person is asked now. A state moves on only by proof (A089).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Address and password.
    SignIn {
        /// What was typed before, or hinted by the application.
        email: String,
    },
    /// Name, address and a new password.
    SignUp,
    /// The code that was sent to the address, to finish signing up.
    ConfirmSignUp(Pending),
    /// The code that was sent to the address of an account whose password has just been proven.
    ConfirmAddress {
        /// The address, as stored.
        email: String,
    },
    /// The address whose password is forgotten.
    Recover,
    /// The code that was sent there.
    ConfirmReset {
        /// The address, as typed.
        email: String,
    },
    /// A new password, now that the mailbox is proven.
    NewPassword {
        /// Whose.
        user: UserId,
        /// The epoch under which the mailbox was proven: a reset in another window makes this one void.
        epoch: i64,
        /// The address, as stored.
        email: String,
    },
}

impl State {
    /// The address that the state speaks of; empty where there is none yet.
    pub(crate) fn address(&self) -> &str {
        match self {
            Self::SignIn { email }
            | Self::ConfirmAddress { email }
            | Self::ConfirmReset { email }
            | Self::NewPassword { email, .. } => email,
            Self::ConfirmSignUp(pending) => &pending.email,
            Self::SignUp | Self::Recover => "",
        }
    }
}

/// Somebody who has signed up and not yet proven the mailbox. No account exists, so there is nothing to take over (A135).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The address, as typed.
    pub email: String,
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) chosen_at: i64,
}

impl core::fmt::Debug for Pending {
    /// Without the password's hash.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending").field("email", &self.email).finish_non_exhaustive()
    }
}

/// One person on the way to a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Names the flow in forms and addresses; opens nothing without the browser's binding.
    pub id: FlowId,
    /// What is asked now.
    pub state: State,
    /// The name of the application that the person is on the way to.
    pub application: Option<String>,
    /// The language of the mails.
    pub language: String,
    /// Where the browser goes afterwards: a path of ours that was set when the flow began, never taken from a request.
    pub return_to: Option<String>,
    pub(crate) binding: [u8; 32],
    pub(crate) expires_at: i64,
    /// As it stands in the store: a step is taken from there and nowhere else.
    #[serde(skip)]
    stored: Option<Secret<Vec<u8>>>,
}

/// There is no such flow for this browser: expired, finished, or begun in another one (A032).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowGone {
    /// Begin anew.
    #[error("this sign-in has expired or was begun in another browser; begin again")]
    Gone,
    /// The store cannot say.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Flow {
    /// Begins a flow in the browser of this binding.
    pub async fn begin(cx: &Cx, new: NewFlow<'_>) -> Result<Self, Unavailable> {
        let mut flow = Self {
            id: cx.id(),
            state: new.state,
            application: new.application.map(str::to_owned),
            language: new.language.to_owned(),
            return_to: new.return_to.map(str::to_owned),
            binding: new.binding,
            expires_at: cx.now().plus(new.life).micros(),
            stored: None,
        };
        let value = flow.value();
        cx.ephemeral.put(cx.realm(), KIND, flow.id.as_bytes(), value.clone(), flow.expires_at()).await?;
        flow.stored = Some(Secret::new(value));
        Ok(flow)
    }

    /// The flow of this id, if it was begun in the browser of this binding.
    pub async fn load(cx: &Cx, id: FlowId, binding: &[u8; 32]) -> Result<Self, FlowGone> {
        let value = cx.ephemeral.get(cx.realm(), KIND, id.as_bytes()).await?.ok_or(FlowGone::Gone)?;
        let mut flow: Self = serde_json::from_slice(&value).map_err(|_| FlowGone::Gone)?;
        flow.stored = Some(Secret::new(value));
        if claviger_kernel::constant_time_eq(&flow.binding, binding) { Ok(flow) } else { Err(FlowGone::Gone) }
    }

    /// When the flow is over.
    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_micros(self.expires_at)
    }

    /// Takes the step to `state`. Of parallel steps from one state the first wins; to the others the flow is where that
    /// one has brought it, and their input comes out of turn.
    pub(crate) async fn move_to(&mut self, cx: &Cx, state: State) -> Result<(), StepError> {
        self.state = state;
        let (value, old) = (self.value(), self.stored.take());
        let old = old.as_ref().map_or(&[][..], |old| old.expose());
        let moved = cx.ephemeral.replace(cx.realm(), KIND, self.id.as_bytes(), old, &value, self.expires_at()).await?;
        if moved {
            self.stored = Some(Secret::new(value));
            return Ok(());
        }
        *self = Self::load(cx, self.id, &self.binding).await?;
        Err(StepError::OutOfTurn)
    }

    /// Puts a flow back that was used up: its last step came to nothing, and it goes on at `state`.
    pub(crate) async fn resume(&mut self, cx: &Cx, state: State) -> Result<(), Unavailable> {
        self.state = state;
        let value = self.value();
        cx.ephemeral.put(cx.realm(), KIND, self.id.as_bytes(), value.clone(), self.expires_at()).await?;
        self.stored = Some(Secret::new(value));
        Ok(())
    }

    /// Lets a flow live longer: a code in a mailbox may be read tomorrow.
    pub(crate) fn extend(&mut self, until: Timestamp) {
        self.expires_at = self.expires_at.max(until.micros());
    }

    /// Uses the flow up; of parallel last steps one wins.
    pub(crate) async fn finish(&self, cx: &Cx) -> Result<(), FlowGone> {
        cx.ephemeral.take(cx.realm(), KIND, self.id.as_bytes()).await?.map(drop).ok_or(FlowGone::Gone)
    }

    fn value(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a flow is plain JSON")
    }
}

/// What a flow begins with.
#[derive(Debug)]
pub struct NewFlow<'a> {
    /// What is asked first.
    pub state: State,
    /// The browser: the hash of its binding cookie's secret.
    pub binding: [u8; 32],
    /// Where to go afterwards.
    pub return_to: Option<&'a str>,
    /// The application's name.
    pub application: Option<&'a str>,
    /// The language of the mails.
    pub language: &'a str,
    /// How long the person may take.
    pub life: core::time::Duration,
}
