//! The developer's desk: the welcome page, the inbox of captured mail, the gallery of pages. On an origin of its own.

use std::sync::Arc;

use claviger_http::base::{Access, Csp, Kind, Refusal, Reply, Request, Route, Routes};
use claviger_kernel::{Secret, SystemReason, Timestamp};
use claviger_notify::{Inbox, Received};
use claviger_ui::dev::{GalleryIndex, InboxEntry, InboxMessage, Welcome};
use claviger_ui::{Chrome, Page, Samples, gallery};
use serde::Serialize;

use super::seeds;
use crate::Services;

/// Where the inbox is.
pub(super) const INBOX: &str = "/inbox";
const GALLERY: &str = "/gallery";

pub(super) struct Desk {
    pub(super) inbox: Inbox,
    pub(super) services: Services,
    pub(super) set_up: Option<Secret<String>>,
    pub(super) url: String,
    pub(super) demo_url: String,
    pub(super) inbox_url: String,
    pub(super) user_password: Secret<String>,
}

/// A message as `messages.json` tells it.
#[derive(Serialize)]
struct Message {
    number: u64,
    to: String,
    subject: String,
    sent: String,
    text: String,
    html: String,
}

pub(super) fn routes(desk: &Arc<Desk>) -> Routes {
    let page = |path| Route::get(path, Kind::Page, Access::Public).server_wide();
    Routes::new()
        .add(page("/"), desk, welcome)
        .add(page(INBOX), desk, |desk, request| async move { Ok(list(&desk, &request)) })
        .add(page("/inbox/{number}"), desk, |desk, request| async move { message(&desk, &request) })
        .add(Route::get("/inbox/messages.json", Kind::Api, Access::Public).server_wide(), desk, |desk, _| async move {
            Ok(messages(&desk))
        })
        .add(page(GALLERY), desk, |_, request| async move { Ok(index(&request)) })
        .add(page("/gallery/{name}"), desk, |_, request| async move { specimen(&request) })
}

fn chrome(request: &Request) -> Chrome {
    Chrome { nonce: request.nonce().to_owned(), ..Chrome::new("Claviger") }
}

fn shown(request: &Request, page: &impl Page) -> Reply {
    Reply::page(page.render(&chrome(request)), Csp::Plain)
}

async fn welcome(desk: Arc<Desk>, request: Request) -> Result<Reply, Refusal> {
    let page = Welcome {
        demo_url: desk.demo_url.clone(),
        inbox_url: desk.inbox_url.clone(),
        sign_in_url: format!("{}/login", desk.url),
        setup_url: desk.open_set_up().await?,
        gallery_url: GALLERY.to_owned(),
        user_email: seeds::USER_EMAIL.to_owned(),
        user_password: desk.user_password.expose().clone(),
    };
    Ok(shown(&request, &page))
}

impl Desk {
    /// The set-up link, as long as it is good.
    async fn open_set_up(&self) -> Result<Option<String>, Refusal> {
        let (Some(secret), Some(main)) = (&self.set_up, self.services.tenancy.main()) else { return Ok(None) };
        let cx = self.services.system(main.id, SystemReason::DEVELOPMENT);
        let open = self.services.accounts.set_up_is_open(&cx, secret.expose()).await?;
        Ok(open.then(|| format!("{}/setup?token={}", self.url, secret.expose())))
    }
}

fn list(desk: &Desk, request: &Request) -> Reply {
    let entry = |received: Received| InboxEntry {
        href: format!("{INBOX}/{}", received.number),
        to: received.mail.to,
        subject: received.mail.subject,
        sent: minute(received.mail.queued_at),
    };
    shown(request, &claviger_ui::dev::Inbox { messages: desk.inbox.all().into_iter().map(entry).collect() })
}

fn message(desk: &Desk, request: &Request) -> Result<Reply, Refusal> {
    let number = request.part("number").parse().map_err(|_| Refusal::not_found())?;
    let Received { mail, .. } = desk.inbox.get(number).ok_or_else(Refusal::not_found)?;
    let page = InboxMessage {
        inbox: INBOX.to_owned(),
        to: mail.to,
        subject: mail.subject,
        sent: minute(mail.queued_at),
        text: mail.text,
    };
    Ok(shown(request, &page))
}

/// A time for people: `2026-01-31 09:41 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(..5).unwrap_or(time))
}

fn messages(desk: &Desk) -> Reply {
    let message = |received: Received| Message {
        number: received.number,
        to: received.mail.to,
        subject: received.mail.subject,
        sent: received.mail.queued_at.to_string(),
        text: received.mail.text,
        html: received.mail.html,
    };
    Reply::json(&desk.inbox.all().into_iter().map(message).collect::<Vec<_>>())
}

fn index(request: &Request) -> Reply {
    let specimens = gallery(&chrome(request), &Samples::default());
    let pages =
        specimens.into_iter().map(|specimen| (specimen.name.to_owned(), format!("{GALLERY}/{}", specimen.name)));
    shown(request, &GalleryIndex { pages: pages.collect() })
}

/// One page in one state; `?samples=long` fills it with values as long as they come.
fn specimen(request: &Request) -> Result<Reply, Refusal> {
    let samples = if request.query().get("samples") == Some("long") { Samples::long() } else { Samples::default() };
    let name = request.part("name");
    let found = gallery(&chrome(request), &samples).into_iter().find(|specimen| specimen.name == name);
    found.map(|specimen| Reply::page(specimen.html, Csp::Form)).ok_or_else(Refusal::not_found)
}
