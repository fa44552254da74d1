//! A realm with a user, a session and clients, over a scratch store.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::{Cx, Event};
use claviger_crypto::jose::{Algorithm, KeyError, SigningKey};
use claviger_crypto::{base64url, sha256};
use claviger_identity::emails::EmailKey;
use claviger_identity::mailbox::{self, Purpose};
use claviger_identity::passwords::PasswordHash;
use claviger_identity::users::Claims;
use claviger_identity::{ActiveUser, newcomers};
use claviger_kernel::{Actor, Caller, Secret, SystemReason};
use claviger_keys::{KeyRing, KeySource, MasterKey, MasterOrigin};
use claviger_notify::{Inbox, Notifier};
use claviger_oauth::authorize::{
    AuthorizationError, AuthorizationParameters, AuthorizationRequest, AuthorizationResponse, Consent, Outcome,
};
use claviger_oauth::clients::{AuthMethod, ClientKind, ClientSettings, GrantType, NewClient};
use claviger_oauth::redirect::RedirectUri;
use claviger_oauth::resource_servers::ResourceServerSettings;
use claviger_oauth::scope::Scopes;
use claviger_oauth::token::{TokenRequest, TokenResponse};
use claviger_oauth::{AuthenticatedClient, Client, OAuth, PresentedClient, TokenError};
use claviger_session::sessions::{self, Device, Lifetimes};
use claviger_session::{Complete, Requirement, Revocations, Session};
use claviger_storage::Follower;
use claviger_storage::scratch::Scratch;
use claviger_tenancy::Tenancy;

pub(crate) const CALLBACK: &str = "https://app.example.com/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const SECRET: &str = "a-chosen-secret-of-more-than-32-characters";
/// Argon2id of nothing in particular; no test signs in with it.
const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// One RSA key for the whole run: making one takes a second.
struct SharedKeys;

impl KeySource for SharedKeys {
    fn make(&self, algorithm: Algorithm) -> Result<SigningKey, KeyError> {
        static RSA: std::sync::OnceLock<Secret<Vec<u8>>> = std::sync::OnceLock::new();
        match algorithm {
            Algorithm::Es256 => SigningKey::generate(algorithm),
            Algorithm::Rs256 => {
                let made = RSA.get_or_init(|| {
                    SigningKey::generate(Algorithm::Rs256).and_then(|key| key.to_pkcs8()).expect("an RSA key")
                });
                SigningKey::from_pkcs8(algorithm, made)
            }
        }
    }
}

pub(crate) struct House {
    pub(crate) scratch: Scratch,
    pub(crate) cx: Cx,
    pub(crate) oauth: OAuth,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) user: ActiveUser,
    pub(crate) session: Session,
    pub(crate) notifier: Notifier,
    master: Secret<String>,
}

/// Another node on the house's database. It knows what stood there when it came, and looks only when it must.
pub(crate) struct Second {
    pub(crate) cx: Cx,
    pub(crate) oauth: OAuth,
}

impl Second {
    pub(crate) async fn client(&self, client_id: &str) -> AuthenticatedClient {
        self.oauth.authenticate(&self.cx, &presented(client_id)).await.expect("the client proves itself")
    }

    pub(crate) async fn refresh(&self, client_id: &str, token: &Secret<String>) -> Result<TokenResponse, TokenError> {
        self.oauth.token(&self.cx, &self.client(client_id).await, &refresh_of(token)).await
    }
}

impl House {
    pub(crate) async fn open(scratch: Scratch) -> Self {
        let now = scratch.clock().now();
        let caller = Caller::system(scratch.id(), now, scratch.id(), SystemReason::BOOTSTRAP);
        let cx = Cx {
            db: scratch.store.clone(),
            ephemeral: scratch.ephemeral(),
            clock: scratch.clock(),
            entropy: scratch.entropy(),
            caller,
        };
        let url = "https://id.test".parse().expect("a public address");
        let tenancy = Arc::new(Tenancy::open(cx.db.clone(), url).await.expect("no realm yet"));
        let master = MasterKey::generate(&*cx.entropy);
        let origin = MasterOrigin::Value { key: master.clone(), other: None };
        let ring = KeyRing::unlock(&cx, Arc::clone(&tenancy), origin, Arc::new(SharedKeys)).await.expect("a new ring");
        let ring = Arc::new(ring);
        let realm = ring.ensure_main(&cx).await.expect("the realm main");
        let cx = cx.with(Caller { realm: realm.id, actor: Actor::Anonymous, ..caller });
        ring.tick(&cx).await.expect("the RSA key is made");
        let (user, session) = signed_up(&cx, &ring, "ada@example.com").await;
        let revocations = Arc::new(Revocations::new(cx.db.clone(), Arc::clone(&tenancy), Arc::clone(&cx.clock)));
        cx.db.follow(Arc::clone(&revocations) as Arc<dyn Follower>);
        cx.db.catch_up().await.expect("what is revoked is loaded");
        let notifier = Notifier::new(Arc::clone(&ring), Arc::clone(&tenancy), Arc::new(Inbox::new()));
        let oauth = OAuth::new(Arc::clone(&ring), tenancy, revocations, notifier.clone());
        Self { scratch, cx, oauth, ring, user, session, notifier, master }
    }

    /// Another node; PostgreSQL only.
    pub(crate) async fn second(&self) -> Second {
        let cx = Cx { db: self.scratch.second().await.expect("PostgreSQL"), ..self.cx.clone() };
        let tenancy = Arc::clone(self.ring.tenancy());
        let tenancy = Tenancy::open(cx.db.clone(), tenancy.public_url().clone()).await.expect("the realms");
        let tenancy = Arc::new(tenancy);
        let origin = MasterOrigin::Value { key: self.master.clone(), other: None };
        let ring = KeyRing::unlock(&cx, Arc::clone(&tenancy), origin, Arc::new(SharedKeys)).await.expect("the keys");
        let ring = Arc::new(ring);
        let revocations = Arc::new(Revocations::new(cx.db.clone(), Arc::clone(&tenancy), Arc::clone(&cx.clock)));
        cx.db.follow(Arc::clone(&tenancy) as Arc<dyn Follower>);
        cx.db.follow(Arc::clone(&ring) as Arc<dyn Follower>);
        cx.db.follow(Arc::clone(&revocations) as Arc<dyn Follower>);
        cx.db.catch_up().await.expect("what there is has been loaded");
        Second { cx, oauth: OAuth::new(ring, tenancy, revocations, self.notifier.clone()) }
    }

    pub(crate) async fn client(&self, client_id: &str, change: impl FnOnce(&mut NewClient)) -> Client {
        let uri = RedirectUri::register(CALLBACK).expect("an address");
        let mut new = NewClient {
            client_id: Some(client_id.to_owned()),
            name: format!("The {client_id}"),
            kind: ClientKind::Confidential,
            secret: Some(Secret::from(SECRET)),
            settings: ClientSettings {
                redirect_uris: vec![uri.clone()],
                post_logout_redirect_uris: vec![uri],
                grant_types: GrantType::ALL.to_vec(),
                scopes: Scopes::parse("openid profile email offline_access notes:read").expect("scopes"),
                token_endpoint_auth_method: AuthMethod::ClientSecretPost,
                first_party: true,
                ..ClientSettings::default()
            },
        };
        change(&mut new);
        self.oauth.create_client(&self.cx, new).await.expect("a client").0
    }

    pub(crate) async fn read(&self, pairs: &[(&str, &str)]) -> Result<AuthorizationRequest, AuthorizationError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.oauth.read_authorization(&self.cx, &AuthorizationParameters { pairs }).await
    }

    /// A good request of `client_id`, with these parameters changed (or, where empty, left out).
    pub(crate) async fn request(
        &self,
        client_id: &str,
        changes: &[(&str, &str)],
    ) -> Result<AuthorizationRequest, AuthorizationError> {
        let challenge = base64url(&sha256(VERIFIER.as_bytes()));
        let mut pairs = vec![
            ("client_id", client_id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.push((name, value));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        self.read(&pairs).await
    }

    pub(crate) async fn outcome(&self, request: &AuthorizationRequest, consent: Consent) -> Outcome {
        self.oauth.authorize(&self.cx, request, Some(&self.session), consent).await.expect("an outcome")
    }

    pub(crate) async fn code(&self, client_id: &str, changes: &[(&str, &str)]) -> String {
        let request = self.request(client_id, changes).await.expect("a good request");
        match self.outcome(&request, Consent::Allowed).await {
            Outcome::Respond(response) => parameter(&response, "code"),
            other => panic!("no code: {other:?}"),
        }
    }

    pub(crate) async fn token(&self, client_id: &str, request: &TokenRequest) -> Result<TokenResponse, TokenError> {
        self.token_at(&self.cx, client_id, request).await
    }

    /// The same on another node.
    async fn token_at(&self, cx: &Cx, client_id: &str, request: &TokenRequest) -> Result<TokenResponse, TokenError> {
        let client = self.oauth.authenticate(cx, &presented(client_id)).await?;
        self.oauth.token(cx, &client, request).await
    }

    pub(crate) async fn exchange(&self, client_id: &str, code: &str) -> Result<TokenResponse, TokenError> {
        self.token(client_id, &exchange_of(code)).await
    }

    pub(crate) async fn refresh(&self, client_id: &str, token: &Secret<String>) -> Result<TokenResponse, TokenError> {
        self.refresh_at(&self.cx, client_id, token).await
    }

    /// The same on another node.
    pub(crate) async fn refresh_at(
        &self,
        cx: &Cx,
        client_id: &str,
        token: &Secret<String>,
    ) -> Result<TokenResponse, TokenError> {
        self.token_at(cx, client_id, &refresh_of(token)).await
    }

    pub(crate) async fn is_live(&self, access_token: &Secret<String>) -> bool {
        self.oauth.userinfo(&self.cx, access_token.expose()).await.is_ok()
    }
}

/// What the client of this name proves itself by.
pub(crate) fn presented(client_id: &str) -> PresentedClient {
    PresentedClient {
        client_id: Some(client_id.to_owned()),
        client_secret: Some(Secret::from(SECRET)),
        ..PresentedClient::default()
    }
}

pub(crate) fn refresh_of(token: &Secret<String>) -> TokenRequest {
    TokenRequest {
        grant_type: Some("refresh_token".to_owned()),
        refresh_token: Some(token.clone()),
        ..TokenRequest::default()
    }
}

pub(crate) fn exchange_of(code: &str) -> TokenRequest {
    TokenRequest {
        grant_type: Some("authorization_code".to_owned()),
        code: Some(Secret::from(code)),
        redirect_uri: Some(CALLBACK.to_owned()),
        code_verifier: Some(Secret::from(VERIFIER)),
        ..TokenRequest::default()
    }
}

pub(crate) fn api_called(name: &str, scopes: Scopes) -> ResourceServerSettings {
    ResourceServerSettings { name: name.to_owned(), scopes, ..ResourceServerSettings::default() }
}

pub(crate) fn parameter(response: &AuthorizationResponse, name: &str) -> String {
    let found = response.parameters.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no {name} in {response:?}")).1.clone()
}

/// A user who has just signed up, and the session of that.
pub(crate) async fn signed_up(cx: &Cx, ring: &KeyRing, email: &str) -> (ActiveUser, Session) {
    let guard = ring.mac(cx.realm(), "guessing").expect("a key");
    let key = EmailKey::parse(email).expect("an address");
    let flow = cx.id();
    let life = Duration::from_mins(1);
    let code = mailbox::challenge(cx, &guard, flow, Purpose::SignUp, &key, false, life).await.expect("a code");
    let proven =
        mailbox::answer(cx, &guard, flow, Purpose::SignUp, code.digits().expose()).await.expect("the right code");
    let mut claims = Claims::default();
    claims.set("name", "Ada Lovelace".into()).expect("a name");
    let hash = PasswordHash::parse(HASH).expect("a hash");
    let mut unit = claviger_audit::unit(cx, Event::new("signed_up", flow));
    let (user, proofs) = newcomers::sign_up(&mut unit, cx, &proven, claims, &hash, cx.now());
    let complete = Complete::judge(&proofs, &Requirement::ORDINARY, cx.now()).expect("two proofs");
    let keys = ring.opaque(cx.realm()).expect("keys");
    let lifetimes = Lifetimes { idle: Duration::from_hours(1), absolute: Duration::from_hours(24), per_user: 100 };
    let opened = sessions::open(&mut unit, cx, &keys, &user, &complete, &Device::default(), &lifetimes);
    cx.commit(unit).await.expect("a user and a session");
    let session = sessions::present(cx, &keys, opened.cookie.expose()).await.expect("the session is good");
    (user, session)
}
