//! What must be true all the time: who has been ended is refused wherever the end must be known, and nobody else is.

use std::time::Duration;

use claviger_crypto::base64url_decode;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::world::{EVERYWHERE, NODES, World, breathe};
use crate::it::nodes::people::{App, Person};
use crate::it::nodes::wire::Ask;

/// Who has not been told by now never will be: how soon somebody is told is measured by another test, with care.
const NEVER: Duration = Duration::from_secs(10);
/// How often each is asked for on every node before it is only asked for now and then.
const TIMES: usize = 3;
/// How many of the others are asked for after each round.
const NOW_AND_THEN: usize = 4;
/// Without a sign of life for half a minute a node is waited for no more; signs are given every few seconds.
const THOUGHT_ALIVE: Duration = Duration::from_secs(15);
/// Whoever ended longer ago is forgotten: the tokens of this run live for 15 minutes.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What somebody shows to a node.
#[derive(Clone, Debug)]
pub(super) enum Bearer {
    /// An access token.
    Access(String),
    /// The same, by the client that holds it and asks whether it is good.
    Introspected(App, String),
    /// A client's secret.
    Proof(App),
    /// A browser's cookie.
    Cookie(Box<Person>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Accepted,
    Refused,
    /// The node does not answer, or says that it cannot tell.
    Unknown,
}

impl Bearer {
    /// The access token.
    pub(super) fn token(&self) -> &str {
        match self {
            Self::Access(token) | Self::Introspected(_, token) => token,
            Self::Proof(_) | Self::Cookie(_) => panic!("no token"),
        }
    }

    /// What a node says to it.
    pub(super) async fn at(&self, world: &World, node: usize) -> Verdict {
        let answer = match self {
            Self::Access(token) => world.once(world.nodes.userinfo(node, token)).await,
            Self::Introspected(app, token) => {
                let fields = [("token", token.as_str())];
                let answer = world.once(world.nodes.as_client(node, app, "/oauth2/introspect", &fields)).await;
                return match answer {
                    Some(answer) if answer.status == 200 && answer.json()["active"] == true => Verdict::Accepted,
                    Some(answer) if answer.status == 200 => Verdict::Refused,
                    Some(answer) => {
                        assert_eq!(answer.status, 503, "node {node} answers {answer:?}");
                        Verdict::Unknown
                    }
                    None => Verdict::Unknown,
                };
            }
            Self::Proof(app) => {
                let fields = [("token", "of nobody")];
                world.once(world.nodes.as_client(node, app, "/oauth2/introspect", &fields)).await
            }
            Self::Cookie(person) => {
                // A copy: a refused cookie is taken from the browser.
                let mut person = person.clone();
                world.once(person.ask(&world.nodes, node, Ask::get("/account"))).await
            }
        };
        match answer.map(|answer| (answer.status, answer)) {
            None | Some((503, _)) => Verdict::Unknown,
            Some((200, _)) => Verdict::Accepted,
            Some((401 | 303, _)) => Verdict::Refused,
            Some((_, answer)) => panic!("node {node} answers {answer:?}"),
        }
    }
}

/// Which key has signed it.
fn kid(token: &str) -> String {
    let header = base64url_decode(token.split('.').next().expect("a header")).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("a header is JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

impl World {
    /// Whatever signs an access token stands in the key set of every node: also of one that has lost its database, as
    /// long as that may be thought to live.
    pub(super) async fn can_be_verified(&self, token: &str) {
        let kid = kid(token);
        join_all((0..NODES).map(async |node| {
            if self.cut_off_for(node).is_some_and(|time| time > THOUGHT_ALIVE) {
                return;
            }
            let Some(answer) = self.once(self.nodes.get(node, "/.well-known/jwks.json")).await else { return };
            let known = answer.status == 503 || answer.text.contains(&kid);
            let late = self.cut_off_for(node).is_some_and(|time| time > THOUGHT_ALIVE);
            assert!(known || late, "node {node} does not know {kid}, which signs: {answer:?}");
        }))
        .await;
    }
}

/// Somebody who has been ended, and the end has been acknowledged.
struct Ended {
    bearer: Bearer,
    how: String,
    at: Instant,
    checks: [usize; NODES],
}

/// Everybody who has been ended of late.
#[derive(Default)]
pub(super) struct Graves(Mutex<(Vec<Ended>, usize)>);

impl Graves {
    /// Who acknowledged the end refuses at once, the other nodes from a second later on.
    pub(super) async fn bury(&self, world: &World, how: &str, acknowledged_by: Option<usize>, bearers: Vec<Bearer>) {
        let at = Instant::now();
        if let Some(node) = acknowledged_by {
            for bearer in &bearers {
                let verdict = bearer.at(world, node).await;
                assert_ne!(
                    verdict,
                    Verdict::Accepted,
                    "{how}: node {node} acknowledged that, and still accepts {bearer:?}"
                );
            }
        }
        let ended = bearers.into_iter().map(|bearer| Ended { bearer, how: how.to_owned(), at, checks: [0; NODES] });
        self.0.lock().0.extend(ended);
    }

    /// Shows them to the nodes that must know.
    pub(super) async fn visit(&self, world: &World) {
        let mut due = Vec::new();
        {
            let (ended, turn) = &mut *self.0.lock();
            ended.retain(|one| one.at.elapsed() < REMEMBERED);
            let count = ended.len().max(1);
            let again: Vec<usize> = (0..NOW_AND_THEN).map(|step| (*turn + step) % count).collect();
            *turn = (*turn + NOW_AND_THEN) % count;
            let now = Instant::now();
            for (number, one) in ended.iter_mut().enumerate().filter(|(_, one)| now >= one.at + EVERYWHERE) {
                for node in 0..NODES {
                    let knows = world.well(node).is_some_and(|well| now >= well);
                    if knows && (one.checks[node] < TIMES || again.contains(&number)) {
                        one.checks[node] += 1;
                        due.push((one.bearer.clone(), one.how.clone(), one.at, node));
                    }
                }
            }
        }
        let start = Instant::now();
        let asked = due.iter().map(async |(bearer, how, at, node)| {
            while bearer.at(world, *node).await == Verdict::Accepted {
                let age = at.elapsed();
                assert!(start.elapsed() < NEVER, "node {node} accepts {bearer:?} {age:?} after the end: {how}");
                world.note(format!("node {node} is late by {:?}: {how}", age.saturating_sub(EVERYWHERE)));
                breathe().await;
            }
        });
        join_all(asked).await;
    }

    /// Whether somebody has not been shown to every node yet.
    pub(super) fn wait(&self) -> bool {
        self.0.lock().0.iter().any(|one| one.checks.contains(&0))
    }
}
