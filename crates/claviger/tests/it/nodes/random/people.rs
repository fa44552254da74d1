//! Somebody with a browser and with applications on several devices, what they do, and what the test knows of them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::checks::{Bearer, Graves, Verdict};
use super::plan::{Act, Dice};
use super::world::{NODES, PERSISTENCE, Reply, World, breathe, pass};
use crate::it::nodes::cluster::Nodes;
use crate::it::nodes::people::{App, CALLBACK, CHALLENGE, PASSWORD, Person, Tokens, User, code_in};
use crate::it::nodes::wire::{Answer, Ask, claims};

/// As many devices hold tokens of one person.
const DEVICES: usize = 4;
/// As many redirects are followed.
const HOPS: usize = 8;
/// A late transaction stays open for longer than a node leaves between two looks at the log.
const LATE: Duration = Duration::from_millis(650);

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

/// A user, and all that is theirs.
pub(super) struct Somebody {
    pub(super) user: User,
    password: String,
    passwords: usize,
    disabled: bool,
    browser: Option<Person>,
    /// One of their own, and one that all share.
    apps: [App; 2],
    pub(super) devices: Vec<Device>,
    pub(super) promises: Vec<Promise>,
}

impl Somebody {
    pub(super) fn new(user: User, apps: [App; 2]) -> Self {
        Self {
            user,
            password: PASSWORD.to_owned(),
            passwords: 0,
            disabled: false,
            browser: None,
            apps,
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

    /// Sends the browser through the authorization endpoint; the answer that is no redirect within.
    async fn walk(&mut self, world: &World, node: usize, app: usize, scope: &str) -> Option<Answer> {
        let person = self.browser.as_mut()?;
        let mut path = authorization(&self.apps[app], scope);
        for hop in 0..HOPS {
            let answer = person.ask(&world.nodes, (node + hop) % NODES, Ask::get(path)).await?;
            match answer.header("location").map(|to| to.strip_prefix("https://id.test").unwrap_or(to)) {
                Some(next) if next.starts_with('/') => path = next.to_owned(),
                _ => return Some(answer),
            }
        }
        None
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
        Tokens::of(&answer)
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

    // --- Ends.

    /// Takes the devices for which `gone` holds away, and gives the access tokens that died with them.
    fn lose(&mut self, gone: impl Fn(&Device) -> bool) -> Vec<Bearer> {
        let lost = self.devices.extract_if(.., |device| gone(device));
        lost.flat_map(|device| device.access).map(Bearer::Access).collect()
    }

    fn lose_everything(&mut self) -> Vec<Bearer> {
        let mut lost = self.lose(|_| true);
        lost.extend(self.browser.take().map(|person| Bearer::Cookie(Box::new(person))));
        lost
    }

    async fn sign_out(&mut self, world: &World, graves: &Graves, dice: Dice) {
        self.sign_in(world, dice.of(0, NODES)).await;
        let before = self.browser.clone().expect("signed in");
        let mut tried = false;
        let start = Instant::now();
        for node in (0..NODES).cycle().skip(dice.of(3, NODES)) {
            assert!(start.elapsed() < PERSISTENCE, "{}", self.say("cannot sign out"));
            let mut person = before.clone();
            let Some(page) = world.once(person.ask(&world.nodes, node, Ask::get("/logout"))).await else { continue };
            if page.status == 503 {
                breathe().await;
                continue;
            }
            let acknowledged_by = match page.field("csrf") {
                Some(csrf) => {
                    let first = !std::mem::replace(&mut tried, true);
                    let sent = person.ask(&world.nodes, node, Ask::post("/logout", &[("csrf", csrf)]));
                    match world.once(sent).await {
                        Some(answer) if matches!(answer.status, 200 | 303) => first.then_some(node),
                        _ => continue,
                    }
                }
                // An attempt before this one went through, and its answer was lost.
                None => {
                    assert!(tried, "{}: {page:?}", self.say("was signed out"));
                    None
                }
            };
            let how = self.say(&format!("signed out at node {node}"));
            world.note(how.clone());
            let mut lost = self.lose(|device| device.bound);
            lost.push(Bearer::Cookie(Box::new(before)));
            self.browser = None;
            graves.bury(world, &how, acknowledged_by, lost).await;
            return;
        }
    }

    /// Sends the operator's request until it is acknowledged; `done` are the refusals of one who comes second.
    async fn command(&self, world: &World, first: usize, what: &str, ask: Ask, done: &[u16]) -> Reply {
        let reply = world.insist(first, what, async |node| world.nodes.operator(node, ask.clone()).await).await;
        let status = reply.answer.status;
        let fine = (200..300).contains(&status) || (!reply.first && done.contains(&status));
        assert!(fine, "{what}: {:?}", reply.answer);
        reply
    }

    fn promise(&mut self, event: &'static str, subject: impl Into<String>, once: bool) {
        self.promises.push(Promise { event, subject: subject.into(), once });
    }

    async fn sign_out_everywhere(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let what = self.say("is signed out everywhere");
        let ask = Nodes::act_on(&self.user, "sign-out");
        let Reply { node, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        self.promise("account_signed_out", self.user.id.clone(), false);
        let lost = self.lose_everything();
        graves.bury(world, &what, Some(node), lost).await;
    }

    async fn disable(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let what = self.say("is disabled");
        let ask = Nodes::act_on(&self.user, "disable");
        let Reply { node, answer, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_disabled", self.user.id.clone(), false);
        self.disabled = true;
        let lost = self.lose_everything();
        graves.bury(world, &what, (answer.status == 200).then_some(node), lost).await;
    }

    async fn enable(&mut self, world: &World, dice: Dice) {
        let what = self.say("is enabled");
        let ask = Nodes::act_on(&self.user, "enable");
        self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_enabled", self.user.id.clone(), false);
        self.disabled = false;
    }

    async fn set_password(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let what = self.say("gets another password");
        self.passwords += 1;
        let new = format!("velvet harbor {} umbrella kite", self.passwords);
        let path = format!("/api/v1/users/{}/password", self.user.id);
        let ask = Ask::json(Method::PUT, path, &json!({ "password": new }));
        let Reply { node, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        self.promise("account_password_set", self.user.id.clone(), false);
        self.password = new;
        let lost = self.lose_everything();
        graves.bury(world, &what, Some(node), lost).await;
    }

    async fn withdraw(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let app = self.devices[self.device(dice)].app;
        let client_id = self.apps[app].client_id.clone();
        let what = self.say(&format!("withdraws what {client_id} was allowed"));
        let all = format!("/api/v1/users/{}/grants", self.user.id);
        let listed = self.command(world, dice.of(3, NODES), &what, Ask::get(all.clone()), &[]).await;
        let grants = listed.answer.json();
        let grant = grants["items"].as_array().and_then(|items| items.iter().find(|one| one["client_id"] == client_id));
        let grant = grant.and_then(|one| one["id"].as_str()).unwrap_or_else(|| panic!("{what}: not in {grants}"));
        let ask = Ask::delete(format!("{all}/{grant}"));
        let Reply { node, answer, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[404]).await;
        let lost = self.lose(|device| device.app == app);
        graves.bury(world, &what, (answer.status == 204).then_some(node), lost).await;
    }

    async fn void_client(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let client_id = &self.apps[0].client_id;
        let what = self.say(&format!("loses all that {client_id} holds"));
        let ask = Ask::json(Method::POST, format!("/api/v1/clients/{client_id}/revocations"), &json!({}));
        let Reply { node, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        let lost = self.lose(|device| device.app == 0);
        graves.bury(world, &what, Some(node), lost).await;
    }

    async fn reuse(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let device = self.device(dice);
        while self.devices[device].replaced.len() < 2 {
            let tokens = self.refreshed(world, device, dice.of(3, NODES)).await;
            self.devices[device].moved(tokens);
        }
        let Device { app, replaced, family, .. } = &self.devices[device];
        let (used, family) = (replaced[replaced.len() - 2].clone(), family.clone());
        let what = self.say(&format!("has a thief show an old token of {family}"));
        let send = async |node| world.nodes.refresh(node, &self.apps[*app], &used).await;
        let Reply { answer, node, first } = world.insist(dice.of(0, NODES), &what, send).await;
        assert_eq!(answer.code().as_deref(), Some("invalid_grant"), "{what}: {answer:?}");
        let lost = self.lose(|device| device.family == family);
        graves.bury(world, &what, first.then_some(node), lost).await;
    }

    async fn redeem_twice(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let code = self.redeemed(world, dice).await;
        let Device { app, family, .. } = self.devices.last().expect("a device");
        let (app, family) = (*app, family.clone());
        let what = self.say(&format!("has the code of {family} redeemed twice"));
        let send = async |node| world.nodes.redeem(node, &self.apps[app], &code).await;
        let Reply { answer, node, first } = world.insist(dice.of(4, NODES), &what, send).await;
        assert_eq!(answer.code().as_deref(), Some("invalid_grant"), "{what}: {answer:?}");
        let lost = self.lose(|device| device.family == family);
        graves.bury(world, &what, first.then_some(node), lost).await;
    }

    /// By the application itself (RFC 7009): a refresh token with its family, or one access token.
    async fn revoke(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let device = self.device(dice);
        let Device { app, family, refresh, .. } = &self.devices[device];
        let (app, family, whole) = (*app, family.clone(), dice.of(2, 2) == 0);
        let token = if whole { Some(refresh.clone()) } else { self.devices[device].access.pop() };
        let Some(token) = token else { return self.refresh(world, dice).await };
        let what = self.say(&format!("gives {} of {family} back", if whole { "the refresh token" } else { "a token" }));
        let send = async |node| {
            world.nodes.as_client(node, &self.apps[app], "/oauth2/revoke", &[("token", token.as_str())]).await
        };
        let Reply { answer, node, first } = world.insist(dice.of(0, NODES), &what, send).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let lost = if whole { self.lose(|device| device.family == family) } else { vec![Bearer::Access(token)] };
        graves.bury(world, &what, first.then_some(node), lost).await;
    }

    async fn revoke_late(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let device = self.device(dice);
        let Some(token) = self.devices[device].access.pop() else { return self.refresh(world, dice).await };
        let what = self.say("loses one token to a transaction that commits late");
        world.revoke(&token, async || pass(LATE).await).await;
        world.note(what.clone());
        graves.bury(world, &what, None, vec![Bearer::Access(token)]).await;
    }

    /// One access token, for a revocation that the test writes by itself.
    pub(super) fn give_up(&mut self) -> Option<String> {
        self.devices.iter_mut().find_map(|device| device.access.pop())
    }

    // --- Writes.

    async fn new_user(&mut self, world: &World, dice: Dice) {
        let email = format!("{}.{}", self.promises.len(), self.user.email);
        let what = format!("{email} is made");
        let ask = Ask::json(Method::POST, "/api/v1/users", &json!({ "email": email, "email_verified": true }));
        self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_created", email, true);
    }

    async fn new_client(&mut self, world: &World, dice: Dice) {
        let client_id = format!("made-{}-{}", self.promises.len(), self.user.email.replace(['@', '.'], "-"));
        let what = format!("{client_id} is registered");
        let settings = json!({ "redirect_uris": ["https://app.test/callback"], "grant_types": ["authorization_code"] });
        let body = json!({ "client_id": client_id, "name": "Made", "kind": "public", "settings": settings });
        let ask = Ask::json(Method::POST, "/api/v1/clients", &body);
        self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        let shown = Ask::get(format!("/api/v1/clients/{client_id}"));
        let shown: Value = self.command(world, dice.of(3, NODES), &what, shown, &[]).await.answer.json();
        self.promise("client_created", shown["id"].as_str().expect("an id"), true);
    }

    // --- What must hold after each round.

    /// Whoever has not been ended is accepted, by every node that can tell.
    pub(super) async fn is_accepted(&self, world: &World, node: usize) {
        let cookie = self.browser.iter().map(|person| Bearer::Cookie(Box::new(person.clone())));
        let tokens = self.devices.iter().filter_map(|device| device.access.last()).cloned().map(Bearer::Access);
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
