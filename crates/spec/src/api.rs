//! The JSON surface for the operator's own user interfaces, called as a script on such a page calls it.

mod guards;
mod sessions;
mod walks;

use claviger_testkit::{Answer, Browser, TestServer};
use http::Method;
use serde_json::{Value, json};

use crate::people::{ADA, App, PASSWORD, app_with};

/// Where the application's page stands: the same site as the issuer, another origin.
pub(crate) const ORIGIN: &str = "https://app.id.test";

/// A public client of the operator's own whose page stands at [`ORIGIN`].
pub(crate) async fn single_page_app(t: &TestServer) -> App {
    named_app(t, json!({})).await
}

async fn named_app(t: &TestServer, settings: Value) -> App {
    let mut all = json!({
        "first_party": true,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [format!("{ORIGIN}/")],
        "post_logout_redirect_uris": [],
    });
    for (name, value) in settings.as_object().expect("settings are an object") {
        all[name] = value.clone();
    }
    app_with(t, "", all).await
}

/// A page of the application in somebody's browser.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) browser: Browser,
    pub(crate) origin: &'static str,
    pub(crate) client_id: String,
}

impl Script {
    pub(crate) fn new(browser: Browser, app: &App) -> Self {
        Self { browser, origin: ORIGIN, client_id: app.client_id.clone() }
    }

    /// POST, with the client named.
    pub(crate) async fn post(&mut self, step: &str, mut body: Value) -> Answer {
        body["client_id"] = self.client_id.clone().into();
        self.browser.call(self.origin, Method::POST, &format!("/api/v1/auth/{step}"), Some(&body)).await
    }

    /// GET or DELETE, with the client named.
    pub(crate) async fn ask(&mut self, method: Method, path: &str) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("/api/v1/auth/{path}{joint}client_id={}", self.client_id);
        self.browser.call(self.origin, method, &path, None).await
    }

    /// Signs in and gives what the page gets.
    pub(crate) async fn sign_in(&mut self, email: &str) -> Value {
        let answer = self.post("sign-in", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let body: Value = answer.json();
        assert_eq!(body["state"], "signed_in", "{body}");
        body
    }

    pub(crate) async fn refresh(&mut self) -> Answer {
        self.post("refresh", json!({})).await
    }

    /// The refresh cookie that was set last, as name and value.
    pub(crate) fn refresh_cookie(&self) -> Option<(&str, &str)> {
        self.browser.cookies().filter(|(name, _)| name.starts_with("__Host-refresh-")).last()
    }
}

/// A page in which `ADA`, whose account exists, is signed in.
pub(crate) async fn signed_in(t: &TestServer, app: &App) -> Script {
    let mut script = Script::new(t.browser(), app);
    script.sign_in(ADA).await;
    script
}
