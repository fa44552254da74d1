//! Somebody with a browser and with applications on several devices, what they do, and what the test knows of them.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::checks::{Bearer, Graves, Verdict};
use super::plan::{Act, Dice, Trouble};
use super::world::{NODES, PERSISTENCE, Reply, World, breathe};
use crate::it::nodes::people::{App, CALLBACK, CHALLENGE, PASSWORD, Person, Tokens, User, code_in};
use crate::it::nodes::wire::{Answer, Ask, claims};

mod ends;

/// The application of all; it alone has a secret.
const SHARED: usize = 1;
/// As many devices hold tokens of one person.
const DEVICES: usize = 4;
/// As many redirects are followed.
const HOPS: usize = 8;

/// A change that was acknowledged, and must be there at the end.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// The audit event.
    pub(super) event: &'static str,
    /// Its subject.
    pub(super) subject: String,
    /// Whether it can have happened once only.
    pub(super) once: bool,
}

/// What one application holds on one device: a token family.
#[derive(Debug)]
pub(super) struct Device {
    app: usize,
    /// Whether it ends with the session.
    bound: bool,
    pub(super) family: String,
    refresh: String,
    /// Refresh tokens that have been replaced, the oldest first.
    replaced: Vec<String>,
    /// Access tokens that have not been ended, the newest last.
    access: Vec<String>,
}

impl Device {
    fn moved(&mut self, tokens: Tokens) {
        self.replaced.push(std::mem::replace(&mut self.refresh, tokens.refresh));
        self.access.push(tokens.access);
        if self.access.len() > 2 {
            self.access.remove(0);
        }
    }

    /// How often the token has been replaced.
    pub(super) fn generation(&self) -> usize {
        self.replaced.len()
    }
}

/// Where an application sends the browser.
fn authorization(app: &App, scope: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", &app.client_id),
            ("redirect_uri", CALLBACK),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("/oauth2/authorize?{query}")
}

/// Opens a path, and follows redirects as long as they stay here; each hop goes to the next node.
async fn follow(world: &World, node: usize, person: &mut Person, mut path: String) -> Option<Answer> {
    for hop in 0..HOPS {
        let answer = person.ask(&world.nodes, (node + hop) % NODES, Ask::get(path.as_str())).await?;
        match answer.header("location").map(|to| to.strip_prefix("https://id.test").unwrap_or(to)) {
            Some(next) if next.starts_with('/') => next.clone_into(&mut path),
            _ => return Some(answer),
        }
    }
    None
}

/// A user, and all that is theirs.
pub(super) struct Somebody {
    pub(super) user: User,
    password: String,
    passwords: usize,
    disabled: bool,
    browser: Option<Person>,
    /// One of their own, and one that all share.
    apps: [App; 2],
    /// A client that has a secret, and nothing else.
    secretive: App,
    pub(super) devices: Vec<Device>,
    pub(super) promises: Vec<Promise>,
}

impl Somebody {
    pub(super) fn new(user: User, apps: [App; 2], secretive: App) -> Self {
        Self {
            user,
            password: PASSWORD.to_owned(),
            passwords: 0,
            disabled: false,
            browser: None,
            apps,
            secretive,
            devices: Vec::new(),
            promises: Vec::new(),
        }
    }

    /// Does what the plan says, or what comes nearest to it.
    pub(super) async fn act(&mut self, world: &World, graves: &Graves, act: Act, dice: Dice) {
        if self.disabled {
            self.enable(world, dice).await;
        }
        let needs_device = matches!(
            act,
            Act::Refresh
                | Act::TwoTabs
                | Act::LostAnswer
                | Act::Cutoff
                | Act::Withdraw
                | Act::Reuse
                | Act::Revoke
                | Act::RevokeLate
        );
        if needs_device && self.devices.is_empty() {
            return self.get_tokens(world, dice).await;
        }
        match act {
            Act::GetTokens if self.devices.len() < DEVICES => self.get_tokens(world, dice).await,
            Act::GetTokens | Act::Refresh => self.refresh(world, dice).await,
            Act::TwoTabs => self.two_tabs(world, dice).await,
            Act::LostAnswer => self.lost_answer(world, dice).await,
            Act::Cutoff => self.cut_off(world, dice).await,
            Act::SignInTwice => self.sign_in_twice(world, dice).await,
            Act::SignOut => self.sign_out(world, graves, dice).await,
            Act::SignOutEverywhere => self.sign_out_everywhere(world, graves, dice).await,
            Act::Disable => self.disable(world, graves, dice).await,
            Act::SetPassword => self.set_password(world, graves, dice).await,
            Act::Withdraw => self.withdraw(world, graves, dice).await,
            Act::VoidClient => self.void_client(world, graves, dice).await,
            Act::Reuse => self.reuse(world, graves, dice).await,
            Act::RedeemTwice => self.redeem_twice(world, graves, dice).await,
            Act::Revoke => self.revoke(world, graves, dice).await,
            Act::RevokeLate => self.revoke_late(world, graves, dice).await,
            Act::NewSecret => self.new_secret(world, graves, dice).await,
            Act::NewUser => self.new_user(world, dice).await,
            Act::NewClient => self.new_client(world, dice).await,
        }
    }

    fn say(&self, what: &str) -> String {
        format!("{} {what}", self.user.email)
    }

    // --- The browser.

    async fn sign_in(&mut self, world: &World, first: usize) {
        if self.browser.is_some() {
            return;
        }
        let start = Instant::now();
        for node in (0..NODES).cycle().skip(first) {
            assert!(start.elapsed() < PERSISTENCE, "{}", self.say("cannot sign in"));
            let at = [node, (node + 1) % NODES];
            let sent = world.once(world.nodes.try_sign_in(&at, &self.user.email, &self.password)).await;
            let Some((person, answer)) = sent else { continue };
            world.note(self.say(&format!("signs in at {at:?}: {} {:?}", answer.status, answer.header("location"))));
            if answer.status == 303 && answer.header("location").is_some_and(|to| to.contains("/account")) {
                self.browser = Some(person);
                return;
            }
            breathe().await;
        }
    }

    /// What a browser that nobody is signed in with is asked gives one session, however often and wherever it is answered.
    async fn sign_in_twice(&self, world: &World, dice: Dice) {
        let node = dice.of(0, NODES);
        let at = [node, (node + 1 + dice.of(1, 2)) % NODES];
        let mut person = Person::new();
        let Some(page) = follow(world, node, &mut person, authorization(&self.apps[0], "openid")).await else {
            return;
        };
        let (Some(csrf), Some(flow)) = (page.field("csrf"), page.field("flow")) else { return };
        let fields = [("email", &self.user.email), ("password", &self.password), ("csrf", &csrf), ("flow", &flow)];
        let fields = fields.map(|(name, value)| (name, value.as_str()));
        let sent = at.map(async |node| {
            let mut person = person.clone();
            let answer = world.once(person.ask(&world.nodes, node, Ask::post("/login", &fields))).await?;
            world.note(self.say(&format!("sends a form twice, to {node}: {}", answer.status)));
            (answer.status == 303).then_some(Bearer::Cookie(Box::new(person)))
        });
        let mut sessions = 0;
        for bearer in join_all(sent).await.into_iter().flatten() {
            sessions += usize::from(bearer.at(world, node).await == Verdict::Accepted);
        }
        assert!(sessions < 2, "{}", self.say("has two sessions by one form"));
    }

    /// Sends the browser through the authorization endpoint; the answer that is no redirect within.
    async fn walk(&mut self, world: &World, node: usize, app: usize, scope: &str) -> Option<Answer> {
        let path = authorization(&self.apps[app], scope);
        follow(world, node, self.browser.as_mut()?, path).await
    }

    /// A code for an application, and whether what it gives ends with the session.
    async fn code(&mut self, world: &World, app: usize, dice: Dice) -> (String, bool) {
        let first = dice.of(0, NODES);
        let bound = dice.of(2, 2) == 0;
        let scope = if bound { "openid email" } else { "openid email offline_access" };
        self.sign_in(world, first).await;
        let start = Instant::now();
        for node in (0..NODES).cycle().skip(first) {
            assert!(start.elapsed() < PERSISTENCE, "{}", self.say("gets no code"));
            let Some(answer) = world.once(self.walk(world, node, app, scope)).await else { continue };
            world.note(self.say(&format!(
                "asks for a code at {node}: {} {:?}",
                answer.status,
                answer.header("location")
            )));
            if let Some(code) = code_in(&answer) {
                return (code, bound);
            }
            assert!(!answer.text.contains("name=\"password\""), "{}", self.say("was signed out"));
            breathe().await;
        }
        unreachable!("cycles have no end")
    }

    // --- The applications.

    async fn get_tokens(&mut self, world: &World, dice: Dice) {
        self.redeemed(world, dice).await;
    }

    /// What the bystander does while something is wrong.
    pub(super) async fn stands_by(&mut self, world: &World, trouble: Trouble, dice: Dice) {
        if trouble == Trouble::Away {
            return self.sign_in_twice(world, dice).await;
        }
        if self.devices.is_empty() { self.get_tokens(world, dice).await } else { self.refresh(world, dice).await }
    }

    /// New tokens, and the code that was redeemed for them. A code whose answer is lost is given up, as clients do.
    async fn redeemed(&mut self, world: &World, dice: Dice) -> String {
        let app = dice.of(1, 2);
        let start = Instant::now();
        for node in (0..NODES).cycle().skip(dice.of(3, NODES)) {
            assert!(start.elapsed() < PERSISTENCE, "{}", self.say("cannot redeem"));
            let (code, bound) = self.code(world, app, dice).await;
            let Some(answer) = world.once(world.nodes.redeem(node, &self.apps[app], &code)).await else { continue };
            if answer.status == 503 {
                breathe().await;
                continue;
            }
            assert_eq!(answer.status, 200, "{}: {answer:?}", self.say("redeems a code that is not good"));
            let tokens = Tokens::of(&answer);
            world.can_be_verified(&tokens.access).await;
            let family = claims(&tokens.access)["fam"].as_str().expect("the family").to_owned();
            world.note(self.say(&format!("holds {family} by node {node}, bound: {bound}")));
            let Tokens { access, refresh } = tokens;
            self.devices.push(Device { app, bound, family, refresh, replaced: Vec::new(), access: vec![access] });
            return code;
        }
        unreachable!("cycles have no end")
    }

    fn device(&self, dice: Dice) -> usize {
        dice.of(1, self.devices.len())
    }

    /// Refreshes and does not give up. Whoever has not been ended is not refused, whatever was lost on the way.
    async fn refreshed(&self, world: &World, device: usize, first: usize) -> Tokens {
        let Device { app, refresh, family, .. } = &self.devices[device];
        let what = self.say(&format!("refreshes {family}"));
        let send = async |node| world.nodes.refresh(node, &self.apps[*app], refresh).await;
        let Reply { answer, node, first } = world.insist(first, &what, send).await;
        assert_eq!(answer.status, 200, "{what}: signed out by node {node}, first attempt: {first}: {answer:?}");
        let tokens = Tokens::of(&answer);
        world.can_be_verified(&tokens.access).await;
        tokens
    }

    pub(super) async fn refresh(&mut self, world: &World, dice: Dice) {
        let device = self.device(dice);
        let tokens = self.refreshed(world, device, dice.of(0, NODES)).await;
        self.devices[device].moved(tokens);
    }

    async fn two_tabs(&mut self, world: &World, dice: Dice) {
        let (device, one) = (self.device(dice), dice.of(0, NODES));
        let (mine, other) =
            tokio::join!(self.refreshed(world, device, one), self.refreshed(world, device, one + 1 + dice.of(3, 2)));
        self.same(device, &mine, &other);
        self.devices[device].moved(mine);
    }

    async fn lost_answer(&mut self, world: &World, dice: Dice) {
        let device = self.device(dice);
        let lost = self.refreshed(world, device, dice.of(0, NODES)).await;
        let again = self.refreshed(world, device, dice.of(3, NODES)).await;
        self.same(device, &lost, &again);
        self.devices[device].moved(again);
    }

    async fn cut_off(&mut self, world: &World, dice: Dice) {
        let device = self.device(dice);
        let Device { app, refresh, .. } = &self.devices[device];
        let request = world.nodes.refresh(dice.of(0, NODES), &self.apps[*app], refresh);
        drop(timeout(Duration::from_micros(300 * dice.of(4, 64) as u64), world.once(request)).await);
        let tokens = self.refreshed(world, device, dice.of(3, NODES)).await;
        self.devices[device].moved(tokens);
    }

    /// A family has one leaf: whoever asks with the same token gets the same.
    fn same(&self, device: usize, one: &Tokens, other: &Tokens) {
        let family = &self.devices[device].family;
        assert_eq!(one.refresh, other.refresh, "{}", self.say(&format!("holds two leaves of {family}")));
        let named = |tokens: &Tokens| (claims(&tokens.access)["jti"].clone(), claims(&tokens.access)["iat"].clone());
        assert_eq!(named(one), named(other), "{}", self.say("got two access tokens for one refresh token"));
    }

    // --- What must hold after each round.

    /// An access token, as it is shown to a node: to userinfo, and by a client that can introspect what is its own.
    fn shown(&self, app: usize, token: &str) -> Vec<Bearer> {
        let mut shown = vec![Bearer::Access(token.to_owned())];
        shown.extend((app == SHARED).then(|| Bearer::Introspected(self.apps[app].clone(), token.to_owned())));
        shown
    }

    /// Whoever has not been ended is accepted, by every node that can tell.
    pub(super) async fn is_accepted(&self, world: &World, node: usize) {
        let cookie = self.browser.iter().map(|person| Bearer::Cookie(Box::new(person.clone())));
        let tokens = self.devices.iter().filter_map(|device| Some((device.app, device.access.last()?)));
        let tokens = tokens.flat_map(|(app, token)| self.shown(app, token));
        for bearer in cookie.chain(tokens) {
            let verdict = bearer.at(world, node).await;
            assert_ne!(verdict, Verdict::Refused, "{}", self.say(&format!("is refused by node {node}: {bearer:?}")));
        }
    }

    /// At the end: the last password is the one, and every device can go on.
    pub(super) async fn goes_on(&mut self, world: &World) {
        if self.disabled {
            return;
        }
        for device in 0..self.devices.len() {
            let tokens = self.refreshed(world, device, device).await;
            self.devices[device].moved(tokens);
        }
        self.browser = None;
        self.sign_in(world, 0).await;
    }
}
