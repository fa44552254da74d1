//! One request to a page: its context, its browser, its session, and the way back to it.

use claviger_accounts::Browser;
use claviger_audit::Cx;
use claviger_crypto::{base64url, base64url_decode, opaque};
use claviger_i18n::Texts;
use claviger_kernel::{Actor, ErrorClass, FlowId, Secret, Unavailable};
use claviger_session::Session;
use claviger_session::sessions::{Device, Opened, device_label};
use claviger_ui::{Chrome, ErrorKind, Page};
use core::time::Duration;
use http::header::USER_AGENT;

use super::{BINDING, KNOWN, SESSION, language};
use crate::Surfaces;
use crate::base::{Csp, Refusal, Reply, Request};

/// How long a browser stays known to its user; browsers keep no cookie longer than 400 days.
const KNOWN_FOR: Duration = Duration::from_hours(365 * 24);

/// One request to a page.
pub(crate) struct Visit<'a> {
    pub(crate) surfaces: &'a Surfaces,
    pub(crate) request: &'a Request,
    pub(crate) cx: Cx,
    pub(crate) texts: &'static Texts,
    /// Names the browser in flows and parked requests; hash of its cookie's secret.
    pub(crate) binding: [u8; 32],
    /// What the browser is to keep, if it had nothing good.
    pub(crate) fresh_binding: Option<Secret<String>>,
}

impl<'a> Visit<'a> {
    /// Looks who visits. A browser without a good binding cookie gets one with the answer.
    pub(crate) fn new(surfaces: &'a Surfaces, request: &'a Request) -> Result<Self, Unavailable> {
        Self::bound(surfaces, request, request.cookie(BINDING).as_ref())
    }

    /// The same with a binding that came another way than by cookie.
    pub(crate) fn bound(
        surfaces: &'a Surfaces,
        request: &'a Request,
        given: Option<&Secret<String>>,
    ) -> Result<Self, Unavailable> {
        let cx = surfaces.cx(request);
        let keys = surfaces.keys.opaque(cx.realm())?;
        let kind = opaque::Kind::FlowBinding;
        let known = given.and_then(|given| opaque::parse(kind, given.expose(), &keys).ok());
        let (binding, fresh_binding) = if let Some(opaque) = known {
            (opaque.hash(), None)
        } else {
            let secret = Secret::new(cx.random::<32>());
            let cookie = opaque::mint(kind, &keys, cx.id::<claviger_kernel::kind::Flow>(), 0, &secret);
            (opaque::secret_hash(kind, &secret), Some(cookie))
        };
        let texts = language::texts(request, request.query().get("ui_locales"));
        Ok(Self { surfaces, request, cx, texts, binding, fresh_binding })
    }

    /// The page speaks the language that was settled on when the flow began.
    pub(crate) fn speak(&mut self, tag: &str) {
        self.texts = language::settled(self.request, tag);
    }

    /// The language that fits what an application suggests.
    pub(crate) fn speak_for(&mut self, ui_locales: Option<&str>) {
        self.texts = language::texts(self.request, ui_locales);
    }

    /// The session of this browser, if it is good now. The context acts for its user from here on.
    pub(crate) async fn session(&mut self) -> Result<Option<Session>, Unavailable> {
        let Some(cookie) = self.request.cookie(SESSION) else { return Ok(None) };
        let session = self.surfaces.accounts.session(&self.cx, cookie.expose()).await?;
        if let Some(session) = &session {
            self.cx = self.cx.with(self.cx.caller.acting(Actor::User(session.user)));
        }
        Ok(session)
    }

    /// What the engine is told of this browser.
    pub(crate) async fn browser(&self) -> Result<Browser, Unavailable> {
        let agent = self.request.header(&USER_AGENT).ok().flatten();
        let session = match self.request.cookie(SESSION) {
            Some(cookie) => self.surfaces.accounts.session(&self.cx, cookie.expose()).await?,
            None => None,
        };
        let device = Device { label: device_label(agent) };
        Ok(Browser { device, known: self.request.cookie(KNOWN), session, beside: None })
    }

    /// The token of forms that are bound to `holder`: the browser's binding, or the session's.
    pub(crate) fn csrf(&self, holder: &[u8; 32]) -> Result<String, Unavailable> {
        Ok(base64url(&self.surfaces.keys.mac(self.cx.realm(), "csrf")?.tag("csrf/1", &[holder])))
    }

    /// Refuses a form that was not rendered for `holder`.
    pub(crate) fn check_csrf(&self, holder: &[u8; 32]) -> Result<(), Refusal> {
        let key = self.surfaces.keys.mac(self.cx.realm(), "csrf")?;
        let posted = self.request.form().get("csrf").and_then(|text| base64url_decode(text).ok());
        if posted.is_some_and(|tag| tag.len() == 32 && key.verify("csrf/1", &[holder], &tag)) {
            return Ok(());
        }
        let detail = "The form was made for another browser or another session. Open its page again.";
        Err(Refusal::new(ErrorClass::Denied, "form_expired", detail).page_kind(ErrorKind::FormExpired))
    }

    /// Renders `page`, its forms bound to this browser.
    pub(crate) fn page(&self, page: &impl Page, policy: Csp) -> Result<Reply, Refusal> {
        self.page_for(page, policy, &self.binding)
    }

    /// Renders `page`, its forms bound to `holder`.
    pub(crate) fn page_for(&self, page: &impl Page, policy: Csp, holder: &[u8; 32]) -> Result<Reply, Refusal> {
        let realm = self.request.realm();
        let mut chrome = Chrome::new(&realm.display_name);
        chrome.texts = self.texts;
        chrome.base.clone_from(&realm.base_path);
        self.request.nonce().clone_into(&mut chrome.nonce);
        chrome.csrf = self.csrf(holder)?;
        Ok(self.with_binding(Reply::page(page.render(&chrome), policy)))
    }

    /// 303 to a path of this realm.
    pub(crate) fn go(&self, path: &str) -> Result<Reply, Refusal> {
        Ok(self.with_binding(Reply::see_other(&self.path(path))?))
    }

    /// 303 to a page of a flow.
    pub(crate) fn go_in(&self, path: &str, flow: FlowId) -> Result<Reply, Refusal> {
        self.go(&format!("{path}?flow={flow}"))
    }

    /// A path of this realm.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.request.realm().base_path)
    }

    /// Adds the binding cookie for a browser that had none.
    pub(crate) fn with_binding(&self, reply: Reply) -> Reply {
        match &self.fresh_binding {
            Some(value) => reply.cookie(&self.request.new_cookie(BINDING, value.clone())),
            None => reply,
        }
    }

    /// Adds the cookie of a session that was just opened.
    pub(crate) fn with_session(&self, reply: Reply, opened: &Opened) -> Reply {
        reply.cookie(&self.request.new_cookie(SESSION, opened.cookie.clone()))
    }

    /// Adds the cookie by which this browser is known to its user.
    pub(crate) fn with_known(&self, reply: Reply, known: &Secret<String>) -> Reply {
        reply.cookie(&self.request.new_cookie(KNOWN, known.clone()).max_age(KNOWN_FOR))
    }

    /// Takes a cookie away.
    pub(crate) fn without(&self, reply: Reply, name: &str) -> Reply {
        reply.cookie(&self.request.new_cookie(name, Secret::from("")).max_age(Duration::ZERO))
    }
}
