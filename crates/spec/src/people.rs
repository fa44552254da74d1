//! What the walks have in common: people with a browser and a mailbox, and applications that send them.

use claviger_testkit::{Answer, Browser, Client, Form, Page, TestServer};
use serde_json::{Value, json};

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "marmalade tide 47 lanterns";
pub(crate) const OTHER_PASSWORD: &str = "quiet orchard 12 thunder";
pub(crate) const CALLBACK: &str = "https://app.test/callback";
/// 43 characters, and its SHA-256 in base64url.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An account that an administrator has made, its address verified.
pub(crate) async fn user(t: &TestServer, email: &str) -> Value {
    user_in(t, "", email).await
}

/// The same in the realm under `base`.
pub(crate) async fn user_in(t: &TestServer, base: &str, email: &str) -> Value {
    let body =
        json!({ "email": email, "email_verified": true, "password": PASSWORD, "claims": { "name": "Ada Lovelace" } });
    created(&t.operator().post_json(&format!("{base}/api/v1/users"), &body).await)
}

/// A realm, and what stands before its paths.
pub(crate) async fn realm(t: &TestServer, name: &str) -> String {
    created(&t.operator().post_json("/api/v1/realms", &json!({ "name": name, "display_name": "Acme" })).await);
    format!("/realms/{name}")
}

/// The link by which the first administrator is made.
pub(crate) async fn set_up_link(t: &TestServer) -> String {
    text(&created(&t.operator().post_json("/api/v1/set-up", &json!({})).await), "url")
}

/// What the management API has made.
pub(crate) fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.json()
}

/// The eight digits of the newest mail to this address, delivered now.
pub(crate) async fn code(t: &TestServer, realm: &str, email: &str) -> String {
    t.deliver(realm).await;
    let received = t.inbox().newest_to(email).unwrap_or_else(|| panic!("no mail to {email}"));
    digits(&received.mail.text).unwrap_or_else(|| panic!("no code in {}", received.mail.text))
}

/// The first eight digits in a row of a mail.
pub(crate) fn digits(text: &str) -> Option<String> {
    let only = |line: &str| line.chars().filter(char::is_ascii_digit).collect::<String>();
    text.lines().map(only).find(|digits| digits.len() == 8)
}

/// Fills the sign-in form in and sends it.
pub(crate) async fn submit_sign_in(browser: &mut Browser, page: &Page, email: &str, password: &str) -> Page {
    let form = page.form("sign-in").fill("email", email).fill("password", password);
    browser.submit(page, &form).await
}

/// Signs in at the sign-in page of the realm under `base`.
pub(crate) async fn sign_in_at(browser: &mut Browser, base: &str, email: &str, password: &str) -> Page {
    let page = browser.open(&format!("{base}/login")).await;
    assert_eq!(page.status(), 200, "{}", page.text());
    submit_sign_in(browser, &page, email, password).await
}

/// A browser in which `email`, whose account exists, is signed in.
pub(crate) async fn signed_in(t: &TestServer, email: &str) -> Browser {
    let mut browser = t.browser();
    let page = sign_in_at(&mut browser, "", email, PASSWORD).await;
    assert_eq!((page.status(), page.path()), (200, "/account"), "{}", page.text());
    browser
}

/// Whether the browser is signed in to the realm `main`.
pub(crate) async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.open("/account").await.path() == "/account"
}

/// The sign-up form, filled in.
pub(crate) fn sign_up_form(page: &Page, email: &str, password: &str) -> Form {
    page.form("sign-up").fill("name", "Ada Lovelace").fill("email", email).fill("password", password)
}

/// Signs up and stops at the question for the code.
pub(crate) async fn sign_up(browser: &mut Browser, base: &str, email: &str) -> Page {
    let page = browser.open(&format!("{base}/signup")).await;
    let form = sign_up_form(&page, email, PASSWORD);
    browser.submit(&page, &form).await
}

/// Types the code in.
pub(crate) async fn submit_code(browser: &mut Browser, page: &Page, code: &str) -> Page {
    let form = page.form("verify").fill("code", code);
    browser.submit(page, &form).await
}

/// An application: a client and how it proves itself.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
    pub(crate) base: String,
}

/// A confidential client of the operator's own, with every grant.
pub(crate) async fn app(t: &TestServer) -> App {
    app_with(t, "", json!({ "first_party": true })).await
}

/// A public client of the operator's own.
pub(crate) async fn public_app(t: &TestServer) -> App {
    let settings = json!({ "first_party": true, "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"] });
    app_with(t, "", settings).await
}

/// A client of the realm under `base` with these settings over the usual ones.
pub(crate) async fn app_with(t: &TestServer, base: &str, settings: Value) -> App {
    let mut all = json!({
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": ["https://app.test/bye"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes": "openid profile email offline_access notes:read",
        "token_endpoint_auth_method": "client_secret_basic",
    });
    for (name, value) in settings.as_object().expect("settings are an object") {
        all[name] = value.clone();
    }
    let kind = if all["token_endpoint_auth_method"] == "none" { "public" } else { "confidential" };
    let body = json!({ "name": "Notes", "kind": kind, "settings": all });
    let made = created(&t.operator().post_json(&format!("{base}/api/v1/clients"), &body).await);
    App {
        client_id: made["client_id"].as_str().expect("a client_id").to_owned(),
        secret: made["client_secret"].as_str().map(str::to_owned),
        base: base.to_owned(),
    }
}

impl App {
    /// The usual parameters of an authorization request.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid profile email".to_owned()),
            ("state", "st-4711".to_owned()),
            ("nonce", "n-4711".to_owned()),
            ("code_challenge", CHALLENGE.to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    /// The address of the usual request with `changes` laid over it; an empty value leaves a parameter out.
    pub(crate) fn address(&self, changes: &[(&'static str, &str)]) -> String {
        format!("{}/oauth2/authorize?{}", self.base, query(&self.changed(changes)))
    }

    /// The usual parameters with `changes` laid over them.
    pub(crate) fn changed(&self, changes: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut parameters = self.parameters();
        for (name, value) in changes {
            parameters.retain(|(known, _)| known != name);
            if !value.is_empty() {
                parameters.push((name, (*value).to_owned()));
            }
        }
        parameters
    }

    /// Sends a signed-in browser through the authorization endpoint and gives the code.
    pub(crate) async fn code(&self, browser: &mut Browser, changes: &[(&'static str, &str)]) -> String {
        let back = browser.arrive_from("https://app.test", &self.address(changes)).await;
        assert!(back.url().starts_with(CALLBACK), "{} ({}): {}", back.url(), back.status(), back.text());
        back.parameter("code").unwrap_or_else(|| panic!("no code in {}", back.url()))
    }

    /// POST to the token endpoint as this client.
    pub(crate) async fn token(&self, client: &Client, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        let path = format!("{}/oauth2/token", self.base);
        let Some(secret) = &self.secret else {
            fields.push(("client_id", &self.client_id));
            return client.post_form(&path, &fields).await;
        };
        let request = client
            .request(http::Method::POST, &path)
            .header("authorization", basic(&self.client_id, secret))
            .header("content-type", "application/x-www-form-urlencoded");
        client.send(request.body(query(&fields).into()).expect("a request")).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, client: &Client, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(client, &fields).await
    }

    /// Uses a refresh token.
    pub(crate) async fn refresh(&self, client: &Client, token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Tokens of a signed-in browser.
    pub(crate) async fn tokens(&self, t: &TestServer, browser: &mut Browser) -> Value {
        let code = self.code(browser, &[]).await;
        let answer = self.redeem(&t.client(), &code).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// GET userinfo.
    pub(crate) async fn userinfo(&self, client: &Client, token: &str) -> Answer {
        bearer(client, http::Method::GET, &format!("{}/oauth2/userinfo", self.base), token).await
    }
}

/// A request with a bearer token and no body.
pub(crate) async fn bearer(client: &Client, method: http::Method, path: &str, token: &str) -> Answer {
    let request = client.request(method, path).header("authorization", format!("Bearer {token}"));
    client.send(request.body(bytes::Bytes::new()).expect("a request")).await
}

/// The value of a Basic header.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

/// A query or a form.
pub(crate) fn query<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A member of a JSON answer that is text.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}

/// The claims of a signed token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a signed token has three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims are JSON")
}

/// An address from which nobody else asks.
pub(crate) fn peer(address: &str) -> core::net::IpAddr {
    address.parse().expect("an address")
}

/// What `work` writes to the log. The server must be reached directly: [`TestServer::browser_at`], `client_at`.
pub(crate) async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    use tracing::instrument::WithSubscriber as _;
    static EARS: std::sync::Once = std::sync::Once::new();
    EARS.call_once(|| tracing::subscriber::set_global_default(Ears).expect("no other test listens for everybody"));
    let kept = Kept::default();
    let everything = tracing_subscriber::fmt()
        .with_writer(kept.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let done = work.with_subscriber(everything).await;
    let text = String::from_utf8(kept.0.lock().expect("nobody panicked").clone()).expect("a log is text");
    (done, text)
}

/// Hears nothing and is deaf to nothing: what other tests log before anybody listens would otherwise count as never listened
/// to, for the whole process.
struct Ears;

impl tracing::Subscriber for Ears {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::TRACE)
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[derive(Clone, Default)]
struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
