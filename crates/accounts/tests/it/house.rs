//! Everything that the sign-in engine stands on, over a scratch store.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_accounts::{Accounts, Browser, Flow, Input, NewFlow, SignedIn, State, Step, StepError};
use claviger_audit::Cx;
use claviger_authenticators::password::{HashParameters, HashSettings, HashWorkers, PasswordPolicy};
use claviger_identity::passwords::Passwords;
use claviger_kernel::{Actor, Caller, Secret, Source, SystemReason};
use claviger_keys::{FreshKeys, KeyRing, MasterKey, MasterOrigin};
use claviger_notify::{Inbox, Notifier};
use claviger_session::Revocations;
use claviger_session::sessions::SessionCache;
use claviger_storage::scratch::Scratch;
use claviger_storage::{Follower, Store};
use claviger_tenancy::Tenancy;

pub(crate) const PASSWORD: &str = "marmalade tide 47 lanterns";
pub(crate) const OTHER_PASSWORD: &str = "quiet orchard 12 thunder";

pub(crate) struct House {
    pub(crate) scratch: Scratch,
    pub(crate) cx: Cx,
    pub(crate) accounts: Accounts,
    pub(crate) workers: Arc<HashWorkers>,
    pub(crate) notifier: Notifier,
    pub(crate) inbox: Inbox,
    pub(crate) ring: Arc<KeyRing>,
}

impl House {
    pub(crate) async fn open(scratch: Scratch) -> Self {
        let caller = Caller::system(scratch.id(), scratch.clock().now(), scratch.id(), SystemReason::BOOTSTRAP);
        let cx = Cx {
            db: scratch.store.clone(),
            ephemeral: scratch.ephemeral(),
            clock: scratch.clock(),
            entropy: scratch.entropy(),
            caller,
        };
        let url = "https://id.test".parse().expect("a public address");
        let tenancy = Arc::new(Tenancy::open(cx.db.clone(), url).await.expect("no realm yet"));
        let origin = MasterOrigin::Value { key: MasterKey::generate(&*cx.entropy), other: None };
        let ring = KeyRing::unlock(&cx, Arc::clone(&tenancy), origin, Arc::new(FreshKeys)).await.expect("a new ring");
        let ring = Arc::new(ring);
        let realm = ring.ensure_main(&cx).await.expect("the realm main");
        let settings = HashSettings {
            parameters: HashParameters::insecure_for_tests(),
            workers: std::num::NonZero::<usize>::MIN,
            ..HashSettings::default()
        };
        let workers = HashWorkers::start(settings, scratch.clock(), scratch.entropy()).expect("hash workers");
        let inbox = Inbox::new();
        let notifier = Notifier::new(Arc::clone(&ring), Arc::clone(&tenancy), Arc::new(inbox.clone()));
        let passwords = Passwords::new(Arc::clone(&workers), PasswordPolicy::default());
        let revocations = Arc::new(Revocations::new(cx.db.clone(), Arc::clone(&tenancy), scratch.clock()));
        let sessions = Arc::new(SessionCache::new(Arc::clone(&revocations)));
        cx.db.follow(revocations);
        cx.db.follow(Arc::clone(&sessions) as Arc<dyn Follower>);
        cx.db.catch_up().await.expect("the views are loaded");
        let accounts = Accounts::new(passwords, Arc::clone(&ring), tenancy, notifier.clone(), sessions);
        let caller = Caller { realm: realm.id, actor: Actor::Anonymous, source: Some(source("192.0.2.1")), ..caller };
        let cx = cx.with(caller);
        Self { scratch, cx, accounts, workers, notifier, inbox, ring }
    }

    /// The same server on another node: views and caches of its own over `store`.
    pub(crate) async fn beside(&self, store: &Store) -> (Accounts, Cx) {
        let tenancy = Arc::clone(self.ring.tenancy());
        let revocations = Arc::new(Revocations::new(store.clone(), Arc::clone(&tenancy), self.scratch.clock()));
        let sessions = Arc::new(SessionCache::new(Arc::clone(&revocations)));
        store.follow(revocations);
        store.follow(Arc::clone(&sessions) as Arc<dyn Follower>);
        store.catch_up().await.expect("the views are loaded");
        let passwords = Passwords::new(Arc::clone(&self.workers), PasswordPolicy::default());
        let accounts = Accounts::new(passwords, Arc::clone(&self.ring), tenancy, self.notifier.clone(), sessions);
        (accounts, Cx { db: store.clone(), ..self.cx.clone() })
    }

    pub(crate) fn from(&self, address: &str) -> Cx {
        self.cx.with(Caller { source: Some(source(address)), ..self.cx.caller })
    }

    pub(crate) async fn flow(&self, state: State) -> Flow {
        let new = NewFlow {
            state,
            binding: self.cx.random(),
            return_to: Some("/oauth2/authorize?request=x"),
            application: Some("Notes"),
            language: "en",
            life: std::time::Duration::from_mins(30),
        };
        Flow::begin(&self.cx, new).await.expect("a flow")
    }

    pub(crate) async fn step(&self, flow: &mut Flow, input: Input<'_>) -> Result<Step, StepError> {
        self.accounts.step(&self.cx, flow, input, &Browser::default()).await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, StepError> {
        self.sign_in_at(&self.cx, email, password, &Browser::default()).await
    }

    pub(crate) async fn sign_in_at(
        &self,
        cx: &Cx,
        email: &str,
        password: &str,
        browser: &Browser,
    ) -> Result<SignedIn, StepError> {
        let mut flow = self.flow(State::SignIn { email: String::new() }).await;
        let password = Secret::from(password);
        match self.accounts.step(cx, &mut flow, Input::Password { email, password: &password }, browser).await? {
            Step::SignedIn(signed_in) => Ok(*signed_in),
            other => panic!("not signed in: {other:?}"),
        }
    }

    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> SignedIn {
        let mut flow = self.flow(State::SignUp).await;
        let password = Secret::from(password);
        self.step(&mut flow, Input::SignUp { name: "Ada", email, password: &password })
            .await
            .expect("the code is sent");
        let code = self.code(email).await;
        match self.step(&mut flow, Input::Code(&code)).await.expect("the code is right") {
            Step::SignedIn(signed_in) => *signed_in,
            other => panic!("not signed in: {other:?}"),
        }
    }

    pub(crate) async fn mail(&self, email: &str) -> claviger_notify::Received {
        self.notifier.deliver(&self.cx).await.expect("mail is delivered");
        self.inbox.newest_to(email).expect("a mail arrived")
    }

    /// The eight digits of the newest mail to this address.
    pub(crate) async fn code(&self, email: &str) -> String {
        let text = self.mail(email).await.mail.text;
        let digits = |line: &str| line.chars().filter(char::is_ascii_digit).collect::<String>();
        text.lines().map(digits).find(|digits| digits.len() == 8).expect("the mail has a code")
    }

    pub(crate) async fn session_is_good(&self, cookie: &Secret<String>) -> bool {
        self.accounts.session(&self.cx, cookie.expose()).await.expect("the store answers").is_some()
    }
}

fn source(address: &str) -> Source {
    Source::new(address.parse::<IpAddr>().expect("an address"))
}
