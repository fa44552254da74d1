//! People with a browser, and applications that send them; each request goes to the node that the test names.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::cluster::Nodes;
use super::wire::{Answer, Ask, HOST};

pub(crate) const PASSWORD: &str = "marmalade tide 47 lanterns";
pub(crate) const CALLBACK: &str = "https://app.test/callback";
/// 43 characters, and its SHA-256 in base64url.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// How long a client goes on to ask.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most redirects in a row.
const MOST: usize = 8;

/// An account that the operator has made.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
}

/// A client of the operator's own, and how it proves itself.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) client_id: String,
    secret: Option<String>,
}

impl App {
    /// The same client with another secret.
    pub(crate) fn with_secret(&self, secret: String) -> Self {
        Self { secret: Some(secret), ..self.clone() }
    }
}

/// What a client holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    /// Of a successful answer of the token endpoint.
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { access: answer.member("access_token"), refresh: answer.member("refresh_token") }
    }
}

/// A browser: its cookies, and the network in which it sits.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    cookies: Vec<(String, String)>,
    network: String,
}

impl Person {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self { cookies: Vec::new(), network: format!("198.18.{high}.{low}") }
    }

    /// Sends a request with the cookies and keeps those of the answer.
    pub(crate) async fn ask(&mut self, nodes: &Nodes, node: usize, ask: Ask) -> Option<Answer> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut ask = ask.header("x-forwarded-for", &self.network);
        if !cookies.is_empty() {
            ask = ask.header("cookie", cookies.join("; "));
        }
        let answer = nodes.ask(node, ask).await?;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().expect("a cookie is text");
            let (name, value) = line.split(';').next()?.split_once('=')?;
            self.cookies.retain(|(known, _)| known != name);
            if !line.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Some(answer)
    }

    /// Opens a path and follows redirects as long as they stay here; each hop goes to the next node of `at`.
    async fn open(&mut self, nodes: &Nodes, at: &[usize], path: &str) -> Option<Answer> {
        let mut path = path.to_owned();
        for node in at.iter().cycle().take(MOST) {
            let answer = self.ask(nodes, *node, Ask::get(path)).await?;
            let Some(location) = answer.header("location") else { return Some(answer) };
            let here = location.strip_prefix(&format!("https://{HOST}")).unwrap_or(location);
            if here.contains("://") {
                return Some(answer);
            }
            path = String::from(here);
        }
        panic!("more than {MOST} redirects, the last to {path}");
    }
}

impl Nodes {
    /// Makes a user with the password [`PASSWORD`].
    pub(crate) async fn user(&self, node: usize, email: &str) -> User {
        let body = json!({ "email": email, "email_verified": true, "password": PASSWORD });
        let made = self.command(node, Ask::json(Method::POST, "/api/v1/users", &body)).await;
        User { id: made["id"].as_str().expect("an id").to_owned(), email: email.to_owned() }
    }

    /// `disable`, `enable`, `unlock` or `sign-out`: what an operator does to a user.
    pub(crate) fn act_on(user: &User, act: &str) -> Ask {
        Ask::json(Method::POST, format!("/api/v1/users/{}/{act}", user.id), &json!({}))
    }

    /// Registers a client without a secret.
    pub(crate) async fn public_app(&self, node: usize) -> App {
        self.app(node, "public", "none").await
    }

    /// Registers a client with a secret.
    pub(crate) async fn confidential_app(&self, node: usize) -> App {
        self.app(node, "confidential", "client_secret_basic").await
    }

    async fn app(&self, node: usize, kind: &str, method: &str) -> App {
        let settings = json!({
            "first_party": true,
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "scopes": "openid profile email",
            "token_endpoint_auth_method": method,
        });
        let body = json!({ "name": "Notes", "kind": kind, "settings": settings });
        let made = self.command(node, Ask::json(Method::POST, "/api/v1/clients", &body)).await;
        let client_id = made["client_id"].as_str().expect("a client_id").to_owned();
        App { client_id, secret: made["client_secret"].as_str().map(str::to_owned) }
    }

    /// The sign-in form, sent; each hop goes to the next node of `at`.
    pub(crate) async fn try_sign_in(&self, at: &[usize], email: &str, password: &str) -> Option<(Person, Answer)> {
        let mut person = Person::new();
        let page = person.open(self, &at[..1], "/login").await?;
        let Some(csrf) = page.field("csrf") else { return Some((person, page)) };
        let fields = [("email", email), ("password", password), ("csrf", csrf.as_str())];
        let answer = person.ask(self, at[1 % at.len()], Ask::post("/login", &fields)).await?;
        Some((person, answer))
    }

    /// Somebody who has signed in; each hop goes to the next node of `at`.
    pub(crate) async fn sign_in(&self, at: &[usize], email: &str) -> Person {
        let (person, answer) = self.try_sign_in(at, email, PASSWORD).await.expect("the nodes answer");
        assert_eq!(answer.status, 303, "{answer:?}");
        person
    }

    /// Whether a node takes the browser for signed in.
    pub(crate) async fn is_signed_in(&self, node: usize, person: &mut Person) -> bool {
        let (answer, _) = patiently(async || person.ask(self, node, Ask::get("/account")).await).await;
        assert!(matches!(answer.status, 200 | 303), "{answer:?}");
        answer.status == 200
    }

    /// Signs the browser out, as the page's button does.
    pub(crate) async fn sign_out(&self, node: usize, person: &mut Person) {
        let page = person.ask(self, node, Ask::get("/logout")).await.expect("the node answers");
        let csrf = page.field("csrf").unwrap_or_else(|| panic!("no question: {page:?}"));
        let answer = person.ask(self, node, Ask::post("/logout", &[("csrf", csrf)])).await.expect("the node answers");
        assert!(matches!(answer.status, 200 | 303), "{answer:?}");
    }

    /// An authorization code for a signed-in browser; each hop goes to the next node of `at`.
    pub(crate) async fn code(&self, at: &[usize], person: &mut Person, app: &App) -> String {
        let answer = self.authorize(at, person, app).await.expect("the nodes answer");
        code_in(&answer).unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// Sends the browser through the authorization endpoint.
    pub(crate) async fn authorize(&self, at: &[usize], person: &mut Person, app: &App) -> Option<Answer> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &app.client_id),
                ("redirect_uri", CALLBACK),
                ("scope", "openid email"),
                ("state", "st-4711"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        person.open(self, at, &format!("/oauth2/authorize?{query}")).await
    }

    /// Asks the token endpoint, or another that a client proves itself to.
    pub(crate) async fn as_client(
        &self,
        node: usize,
        app: &App,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut fields = fields.to_vec();
        if app.secret.is_none() {
            fields.push(("client_id", &app.client_id));
        }
        let mut ask = Ask::post(path, &fields);
        if let Some(secret) = &app.secret {
            ask = ask
                .header("authorization", format!("Basic {}", STANDARD.encode(format!("{}:{secret}", app.client_id))));
        }
        self.ask(node, ask).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, node: usize, app: &App, code: &str) -> Option<Answer> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.as_client(node, app, "/oauth2/token", &fields).await
    }

    /// Tokens for a signed-in browser; each hop goes to the next node of `at`.
    pub(crate) async fn tokens(&self, at: &[usize], person: &mut Person, app: &App) -> Tokens {
        let code = self.code(at, person, app).await;
        let last = *at.last().expect("a node");
        Tokens::of(&self.redeem(last, app, &code).await.expect("the node answers"))
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, node: usize, app: &App, token: &str) -> Option<Answer> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.as_client(node, app, "/oauth2/token", &fields).await
    }

    /// Whether a token is good, as the application to which it was issued is told.
    pub(crate) async fn introspect(&self, node: usize, app: &App, token: &str) -> Option<Answer> {
        self.as_client(node, app, "/oauth2/introspect", &[("token", token)]).await
    }

    /// The same where the node must answer.
    pub(crate) async fn is_active(&self, node: usize, app: &App, token: &str) -> bool {
        let (answer, _) = patiently(async || self.introspect(node, app, token).await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["active"].as_bool().expect("a yes or a no")
    }

    /// Revokes a token, as the application to which it was issued.
    pub(crate) async fn revoke(&self, node: usize, app: &App, token: &str) -> Option<Answer> {
        self.as_client(node, app, "/oauth2/revoke", &[("token", token)]).await
    }

    /// Asks for the claims behind an access token.
    pub(crate) async fn userinfo(&self, node: usize, access: &str) -> Option<Answer> {
        self.ask(node, Ask::get("/oauth2/userinfo").header("authorization", format!("Bearer {access}"))).await
    }
}

/// Asks until the answer is another than to come back; says, too, whether that was ever the answer.
pub(crate) async fn patiently(mut ask: impl AsyncFnMut() -> Option<Answer>) -> (Answer, bool) {
    let mut waited = false;
    let start = Instant::now();
    loop {
        let answer = ask().await.expect("the node answers");
        if !answer.is_busy() {
            return (answer, waited);
        }
        waited = true;
        assert!(start.elapsed() < PATIENCE, "still busy: {answer:?}");
    }
}

/// The code with which a browser is sent back to the application.
pub(crate) fn code_in(answer: &Answer) -> Option<String> {
    let query = answer.header("location")?.strip_prefix(CALLBACK)?.strip_prefix('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code").map(|(_, value)| value.into_owned())
}
