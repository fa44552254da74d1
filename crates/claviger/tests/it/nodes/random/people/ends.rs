//! What ends sessions, families and tokens, and the writes that must last.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{DEVICES, Device, Promise, Somebody};
use crate::it::nodes::cluster::Nodes;
use crate::it::nodes::random::checks::{Bearer, Graves, Verdict};
use crate::it::nodes::random::plan::Dice;
use crate::it::nodes::random::world::{NODES, PERSISTENCE, Reply, World, breathe, pass};
use crate::it::nodes::wire::Ask;

/// A late transaction stays open for longer than a node leaves between two looks at the log.
const LATE: Duration = Duration::from_millis(650);

impl Somebody {
    /// Takes the devices for which `gone` holds away, and gives the access tokens that died with them.
    fn lose(&mut self, gone: impl Fn(&Device) -> bool) -> Vec<Bearer> {
        let lost: Vec<Device> = self.devices.extract_if(.., |device| gone(device)).collect();
        lost.iter().flat_map(|device| device.access.iter().flat_map(|token| self.shown(device.app, token))).collect()
    }

    fn lose_everything(&mut self) -> Vec<Bearer> {
        let mut lost = self.lose(|_| true);
        lost.extend(self.browser.take().map(|person| Bearer::Cookie(Box::new(person))));
        lost
    }

    pub(super) async fn sign_out(&mut self, world: &World, graves: &Graves, dice: Dice) {
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
            let acknowledged_by = if let Some(csrf) = page.field("csrf") {
                let first = !std::mem::replace(&mut tried, true);
                let sent = person.ask(&world.nodes, node, Ask::post("/logout", &[("csrf", csrf)]));
                match world.once(sent).await {
                    Some(answer) if matches!(answer.status, 200 | 303) => first.then_some(node),
                    _ => continue,
                }
            } else {
                // An attempt before this one went through, and its answer was lost.
                assert!(tried, "{}: {page:?}", self.say("was signed out"));
                None
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

    pub(super) async fn sign_out_everywhere(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let what = self.say("is signed out everywhere");
        let ask = Nodes::act_on(&self.user, "sign-out");
        let Reply { node, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        self.promise("account_signed_out", self.user.id.clone(), false);
        let lost = self.lose_everything();
        graves.bury(world, &what, Some(node), lost).await;
    }

    pub(super) async fn disable(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let what = self.say("is disabled");
        let ask = Nodes::act_on(&self.user, "disable");
        let Reply { node, answer, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_disabled", self.user.id.clone(), false);
        self.disabled = true;
        let lost = self.lose_everything();
        graves.bury(world, &what, (answer.status == 200).then_some(node), lost).await;
    }

    pub(super) async fn enable(&mut self, world: &World, dice: Dice) {
        let what = self.say("is enabled");
        let ask = Nodes::act_on(&self.user, "enable");
        self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_enabled", self.user.id.clone(), false);
        self.disabled = false;
    }

    pub(super) async fn set_password(&mut self, world: &World, graves: &Graves, dice: Dice) {
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

    pub(super) async fn withdraw(&mut self, world: &World, graves: &Graves, dice: Dice) {
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

    pub(super) async fn void_client(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let client_id = &self.apps[0].client_id;
        let what = self.say(&format!("loses all that {client_id} holds"));
        let ask = Ask::json(Method::POST, format!("/api/v1/clients/{client_id}/revocations"), &json!({}));
        let Reply { node, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        let lost = self.lose(|device| device.app == 0);
        graves.bury(world, &what, Some(node), lost).await;
    }

    /// The secret before is good no more, wherever the client has proved itself with it.
    pub(super) async fn new_secret(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let proof = Bearer::Proof(self.secretive.clone());
        for node in 0..NODES {
            let verdict = proof.at(world, node).await;
            assert_ne!(verdict, Verdict::Refused, "{}", self.say(&format!("has a secret that node {node} refuses")));
        }
        let what = self.say("gets another secret for a client");
        let path = format!("/api/v1/clients/{}/secrets", self.secretive.client_id);
        let ask = Ask::json(Method::POST, path, &json!({ "overlap_seconds": 0 }));
        let Reply { node, answer, .. } = self.command(world, dice.of(0, NODES), &what, ask, &[]).await;
        self.secretive = self.secretive.with_secret(answer.member("client_secret"));
        graves.bury(world, &what, Some(node), vec![proof]).await;
    }

    pub(super) async fn reuse(&mut self, world: &World, graves: &Graves, dice: Dice) {
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

    pub(super) async fn redeem_twice(&mut self, world: &World, graves: &Graves, dice: Dice) {
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
    pub(super) async fn revoke(&mut self, world: &World, graves: &Graves, dice: Dice) {
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
        let lost = if whole { self.lose(|device| device.family == family) } else { self.shown(app, &token) };
        graves.bury(world, &what, first.then_some(node), lost).await;
    }

    pub(super) async fn revoke_late(&mut self, world: &World, graves: &Graves, dice: Dice) {
        let device = self.device(dice);
        let app = self.devices[device].app;
        let Some(token) = self.devices[device].access.pop() else { return self.refresh(world, dice).await };
        let what = self.say("loses one token to a transaction that commits late");
        world.revoke(&token, async || pass(LATE).await).await;
        world.note(what.clone());
        graves.bury(world, &what, None, self.shown(app, &token)).await;
    }

    /// One access token, for a revocation that the test writes by itself.
    pub(in crate::it::nodes::random) async fn give_up(&mut self, world: &World, dice: Dice) -> Vec<Bearer> {
        if self.disabled {
            self.enable(world, dice).await;
        }
        self.redeemed(world, dice).await;
        if self.devices.len() > DEVICES {
            self.devices.remove(0);
        }
        let device = self.devices.last_mut().expect("a device");
        let (app, token) = (device.app, device.access.pop().expect("a token"));
        self.shown(app, &token)
    }

    // --- Writes.

    pub(super) async fn new_user(&mut self, world: &World, dice: Dice) {
        let email = format!("{}.{}", self.promises.len(), self.user.email);
        let what = format!("{email} is made");
        let ask = Ask::json(Method::POST, "/api/v1/users", &json!({ "email": email, "email_verified": true }));
        self.command(world, dice.of(0, NODES), &what, ask, &[409]).await;
        self.promise("account_created", email, true);
    }

    pub(super) async fn new_client(&mut self, world: &World, dice: Dice) {
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
}
