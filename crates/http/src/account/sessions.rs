//! `/account/sessions`: where somebody is signed in, and the end of it.

use std::sync::Arc;

use claviger_accounts::EndError;
use claviger_kernel::SessionId;
use claviger_session::Session;
use claviger_session::sessions::{self, Filter, ListedSession, Sort};
use claviger_storage::{Cursor, LARGEST_PAGE};
use claviger_ui::{DeviceEntry, Devices, DevicesDone, LastUse};

use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};
use crate::pages::Visit;

/// GET: the devices, the one used last first.
pub(super) async fn show(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(session) = visit.session().await? else { return visit.go("/login") };
    // A cursor that means nothing shows the first page.
    let after = request.query().get("after").and_then(|text| text.parse::<Cursor>().ok());
    let (cx, user) = (&visit.cx, session.user);
    let page = sessions::list(cx, user, Filter::Alive, Sort::LastSeen, after, LARGEST_PAGE).await?;
    let entry = |listed: &ListedSession| DeviceEntry {
        session: listed.id.to_string(),
        device: listed.device.clone(),
        last_use: LastUse::ago(visit.cx.now().since(listed.seen_at).as_secs()),
        seen_at: listed.seen_at.to_string(),
        current: listed.id == session.id,
    };
    let devices = Devices {
        devices: page.items.iter().map(entry).collect(),
        next: page.next.map(|next| next.to_string()),
        done: match request.query().get("done") {
            Some("one") => Some(DevicesDone::One),
            Some("others") => Some(DevicesDone::Others),
            _ => None,
        },
    };
    visit.page_for(&devices, Csp::Form, session.binding())
}

/// POST: one device is signed out, or every other one.
pub(super) async fn take(surfaces: Arc<Surfaces>, request: Request) -> Result<Reply, Refusal> {
    let visit = &mut Visit::new(&surfaces, &request)?;
    let Some(session) = visit.session().await? else { return visit.go("/login") };
    visit.check_csrf(session.binding())?;
    if request.form().get("others").is_some() {
        surfaces.accounts.end_other_sessions(&visit.cx, session.user, session.id).await?;
        return visit.go("/account/sessions?done=others");
    }
    let named = request.form().require("session")?.parse::<SessionId>().ok();
    end(visit, &session, named.ok_or_else(Refusal::not_found)?).await
}

async fn end(visit: &Visit<'_>, session: &Session, named: SessionId) -> Result<Reply, Refusal> {
    match visit.surfaces.accounts.end_session(&visit.cx, session.user, named, "ended by the user").await {
        Ok(()) => visit.go("/account/sessions?done=one"),
        Err(EndError::Unknown) => Err(Refusal::not_found()),
        Err(EndError::Unavailable(fault)) => Err(fault.into()),
    }
}
