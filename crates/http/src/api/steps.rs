//! The steps of a flow: each hands the engine what a person typed, and answers with what is asked next or with tokens.

use std::sync::Arc;

use claviger_accounts::{Added, Beside, Browser, Flow, Input, Opening, State, Step};
use claviger_audit::{Cx, Unit};
use claviger_kernel::{FamilyId, Secret, Unavailable};
use claviger_oauth::first_party::{self, Asked, FirstParty, Issued};
use claviger_oauth::{OAuth, TokenError};
use claviger_session::families;
use claviger_session::sessions::Device;
use parking_lot::Mutex;
use serde::Deserialize;

use super::door::{Delivery, Door};
use super::{answers, problems};
use crate::Surfaces;
use crate::base::{Refusal, Reply, Request};
use crate::pages::{self, Form, Onward, Visit};

/// What every step says beside what the person typed.
struct Common<'a> {
    delivery: Delivery,
    scope: Option<&'a str>,
    resource: Option<&'a str>,
    device: Option<&'a str>,
    flow: Option<&'a str>,
    binding: Option<&'a Secret<String>>,
}

macro_rules! bodies {
    ($($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            client_id: String,
            #[serde(default)]
            delivery: Delivery,
            scope: Option<String>,
            resource: Option<String>,
            device: Option<String>,
            flow: Option<String>,
            binding: Option<Secret<String>>,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn common(&self) -> Common<'_> {
                Common {
                    delivery: self.delivery,
                    scope: self.scope.as_deref(),
                    resource: self.resource.as_deref(),
                    device: self.device.as_deref(),
                    flow: self.flow.as_deref(),
                    binding: self.binding.as_ref(),
                }
            }
        }
    )*};
}

bodies! {
    SignUp { #[serde(default)] name: String, email: String, password: Secret<String> }
    SignIn { email: String, password: Secret<String> }
    Verify { code: String }
    Resend {}
    Recover { email: String }
    Reset { password: Secret<String> }
}

/// POST: name, address and a new password.
pub(super) async fn sign_up(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: SignUp = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    let input = Input::SignUp { name: &body.name, email: &body.email, password: &body.password };
    door.tell(from_form(&door, body.common(), Form::SignUp, input).await)
}

/// POST: address and password.
pub(super) async fn sign_in(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: SignIn = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    let input = Input::Password { email: &body.email, password: &body.password };
    door.tell(from_form(&door, body.common(), Form::SignIn, input).await)
}

/// POST: the address whose password is forgotten.
pub(super) async fn recover(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: Recover = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(from_form(&door, body.common(), Form::Recover, Input::Recover { email: &body.email }).await)
}

/// POST: the code from the mail, whatever it is for.
pub(super) async fn verify(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: Verify = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(within_flow(&door, body.common(), Input::Code(&body.code)).await)
}

/// POST: the wish for another mail.
pub(super) async fn resend(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: Resend = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(within_flow(&door, body.common(), Input::Resend).await)
}

/// POST: the new password, once the mailbox is proven.
pub(super) async fn reset(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let body: Reset = request.json()?;
    let door = Door::open(&surfaces, &request, &body.client_id).await?;
    door.tell(within_flow(&door, body.common(), Input::NewPassword(&body.password)).await)
}

/// A step that may begin a flow, and to which one may turn from the forms beside it.
async fn from_form(door: &Door<'_>, common: Common<'_>, form: Form, input: Input<'_>) -> Result<Reply, Refusal> {
    let mut walk = Walk::of(door, common).await?;
    let mut flow = match walk.named_flow().await? {
        Some(flow) => flow,
        None => pages::begin(&walk.visit, form.state(), Onward::default()).await?,
    };
    match pages::turn_to(&walk.visit, &mut flow, form).await {
        Ok(()) => walk.step(&mut flow, input).await,
        Err(error) => Err(problems::step(error, &flow)),
    }
}

/// A step of a flow that has begun.
async fn within_flow(door: &Door<'_>, common: Common<'_>, input: Input<'_>) -> Result<Reply, Refusal> {
    let mut walk = Walk::of(door, common).await?;
    let mut flow = walk.named_flow().await?.ok_or_else(pages::gone)?;
    walk.step(&mut flow, input).await
}

/// One step on the way of one application.
struct Walk<'a> {
    door: &'a Door<'a>,
    visit: Visit<'a>,
    common: Common<'a>,
    asked: Asked,
}

impl<'a> Walk<'a> {
    async fn of(door: &'a Door<'a>, common: Common<'a>) -> Result<Self, Refusal> {
        door.deliver(common.delivery)?;
        let asked = door.surfaces.oauth.asked(&door.cx, &door.app, common.scope, common.resource).await;
        let asked = asked.map_err(problems::tokens)?;
        let visit = match common.delivery {
            Delivery::Cookie => Visit::new(door.surfaces, door.request)?,
            Delivery::Body => Visit::bound(door.surfaces, door.request, common.binding)?,
        };
        Ok(Self { door, visit, common, asked })
    }

    /// The flow that the body names; a name that leads nowhere is refused (A032).
    async fn named_flow(&mut self) -> Result<Option<Flow>, Refusal> {
        let Some(named) = self.common.flow else { return Ok(None) };
        pages::named_flow(&mut self.visit, Some(named)).await?.map(Some).ok_or_else(pages::gone)
    }

    async fn step(&self, flow: &mut Flow, input: Input<'_>) -> Result<Reply, Refusal> {
        let beside = Arc::new(Tokens {
            oauth: self.door.surfaces.oauth.clone(),
            app: self.door.app.clone(),
            asked: self.asked.clone(),
            replaces: self.replaced().await?,
            made: Mutex::new(None),
        });
        let browser = Browser { beside: Some(Arc::clone(&beside) as Arc<dyn Beside>), ..self.browser().await? };
        let confirms = matches!(flow.state, State::ConfirmAddress { .. });
        let delivery = self.common.delivery;
        match self.door.surfaces.accounts.step(&self.visit.cx, flow, input, &browser).await {
            Ok(Step::Show) => {
                let confirmed = confirms && matches!(flow.state, State::SignIn { .. });
                Ok(answers::waiting(&self.visit, flow, delivery, confirmed.then_some("address_confirmed")))
            }
            Ok(Step::PasswordReset) => Ok(answers::waiting(&self.visit, flow, delivery, Some("password_reset"))),
            Ok(Step::SignedIn(signed_in)) => {
                let made = beside.made.lock().take();
                let issued = made.ok_or_else(|| Unavailable::new("a session was opened without its tokens"))?;
                Ok(answers::signed_in(self.door, &self.visit, &signed_in, &issued, delivery))
            }
            Err(error) => Err(problems::step(error, flow)),
        }
    }

    async fn browser(&self) -> Result<Browser, Refusal> {
        if self.common.delivery == Delivery::Cookie {
            return Ok(self.visit.browser().await?);
        }
        // A program is not what its HTTP library says of itself.
        let plain =
            |text: &&str| !text.trim().is_empty() && text.chars().count() <= 100 && !text.contains(char::is_control);
        let label = self.common.device.filter(plain).unwrap_or(&self.door.app.client().name);
        Ok(Browser { device: Device { label: label.to_owned() }, ..Browser::default() })
    }

    /// The family of the refresh token that the browser has now: another one takes its place.
    async fn replaced(&self) -> Result<Option<FamilyId>, Unavailable> {
        let token = self.door.refresh_token().filter(|_| self.common.delivery == Delivery::Cookie);
        let Some(token) = token else { return Ok(None) };
        let family = self.door.surfaces.oauth.family_of(&self.door.cx, &self.door.app, token.expose()).await?;
        Ok(family.map(|family| family.id))
    }
}

/// The tokens that come into being with the session.
struct Tokens {
    oauth: OAuth,
    app: FirstParty,
    asked: Asked,
    replaces: Option<FamilyId>,
    made: Mutex<Option<Issued>>,
}

impl core::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tokens").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Beside for Tokens {
    fn add<'a>(&'a self, cx: &'a Cx, unit: &'a mut Unit, opening: &'a Opening<'a>) -> Added<'a> {
        Box::pin(async move {
            if let Some(family) = self.replaces {
                families::revoke(unit, family, "replaced");
            }
            let amr = opening.amr.join(" ");
            let signed_in = first_party::SignedIn {
                session: opening.session,
                user: opening.user,
                authentication: (opening.acr, &amr, opening.authenticated_at),
                device: opening.device,
            };
            let issued = self.oauth.open_first_party(cx, unit, &self.app, &self.asked, &signed_in).await;
            *self.made.lock() = Some(issued.map_err(|error| match error {
                TokenError::Unavailable(fault) => fault,
                _ => Unavailable::new("what the application asked tokens for was removed meanwhile"),
            })?);
            Ok(())
        })
    }
}
