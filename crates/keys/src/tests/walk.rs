//! A long random walk over everything that can happen to keys, with the promises checked after every step.

use claviger_kernel::{Entropy as _, SeededEntropy};
use claviger_storage::both_engines;
use claviger_tenancy::RealmChange;

use super::*;

const STEPS: usize = 150;

struct Walk {
    dice: SeededEntropy,
    world: World,
    tokens: Vec<Token>,
    /// When a key set was fetched, and which keys it showed.
    fetched: Vec<(Timestamp, BTreeSet<String>)>,
}

impl Walk {
    fn roll(&self, sides: u64) -> u64 {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        u64::from_le_bytes(bytes) % sides
    }

    /// One thing that happens; its name, for the story.
    async fn step(&mut self) -> String {
        let (realm, turns) = (self.world.cx.realm(), 1 + usize::try_from(self.roll(30)).unwrap());
        let purpose = [ES256, RS256, Purpose::Opaque, Purpose::Seal][usize::try_from(self.roll(4)).unwrap()];
        let World { ring, cx, .. } = &self.world;
        match self.roll(10) {
            0..=2 => {
                let span = MINUTE * [1, 7, 60, 600, 1_440, 14_400, 43_200][usize::try_from(self.roll(7)).unwrap()];
                self.world.advance(span);
                return format!("{span:?} later");
            }
            3 | 4 => {
                ring.tick(cx).await.unwrap();
                return "tick".to_owned();
            }
            5 => {
                let _ = cut(ring.tick(cx), turns).await;
            }
            6 => {
                ring.rotate(cx, realm, purpose).await.unwrap();
                return format!("rotate {purpose:?}");
            }
            7 => {
                let _ = cut(ring.rotate(cx, realm, purpose), turns).await;
            }
            8 => {
                let _ = cut(ring.change_master(cx, None), turns * 3).await;
            }
            _ => return self.change_settings().await,
        }
        self.world.restart().await;
        format!("a crash after {turns} turns")
    }

    async fn change_settings(&self) -> String {
        let pick = |choices: &[&str]| choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()].to_owned();
        let (life, rotation, ahead) =
            (pick(&["15m", "1h", "24h"]), pick(&["3d", "30d", "90d"]), pick(&["20m", "24h", "2d"]));
        let patch = json!({
            "tokens": { "access_longest": life },
            "keys": { "rotation": rotation, "publish_ahead": ahead },
        });
        let tenancy = self.world.ring.tenancy();
        let realm = tenancy.by_id(self.world.cx.realm()).unwrap();
        let settings = Some(realm.settings.patched(&patch).unwrap());
        let change = RealmChange { settings, ..RealmChange::default() };
        tenancy.update(&self.world.cx, realm.id, realm.version, change).await.unwrap();
        patch.to_string()
    }

    /// Tokens are issued and the key set is fetched at every step.
    fn live(&mut self) {
        let now = self.world.now();
        self.fetched.push((now, kids(&self.world.key_set())));
        self.fetched.retain(|(at, _)| *at >= now.minus(CACHE));
        let realm = self.world.ring.tenancy().by_id(self.world.cx.realm()).unwrap();
        let life = realm.settings.tokens.access_longest;
        self.tokens.extend(Algorithm::ALL.map(|algorithm| self.world.token(algorithm, life)));
        self.tokens.retain(|token| token.expires >= now);
    }

    fn check(&self) -> Result<(), String> {
        let now = kids(&self.world.key_set());
        for token in &self.tokens {
            if !now.contains(&token.kid) {
                return Err(format!("the key of a live token has gone: {token:?}"));
            }
            // Who fetched the key set within its max-age, before or after the issue, verifies without fetching again.
            let stale =
                self.fetched.iter().find(|(at, kids)| token.issued <= at.plus(CACHE) && !kids.contains(&token.kid));
            if let Some((at, _)) = stale {
                return Err(format!("a key set fetched at {at} does not know the key of {token:?}"));
            }
        }
        let latest = self.tokens.iter().rev().take(2);
        let refused = latest.filter(|token| !token.verifies_with(&self.world.key_set())).count();
        if refused == 0 { Ok(()) } else { Err("a token just issued does not verify".to_owned()) }
    }
}

async fn walk(scratch: Scratch, seed: u64) {
    let world = World::start(scratch).await;
    let mut walk = Walk { dice: SeededEntropy::new(seed), world, tokens: Vec::new(), fetched: Vec::new() };
    let mut story = Vec::new();
    for _ in 0..STEPS {
        story.push(walk.step().await);
        walk.world.assert_whole(walk.world.cx.realm()).await;
        walk.live();
        if let Err(broken) = walk.check() {
            panic!("seed {seed}: {broken}\n{}", story.join("\n"));
        }
    }
    let removed = walk.world.rows(walk.world.cx.realm()).await;
    assert!(removed.iter().any(|row| row.key.state == KeyState::Removed), "the walk went through whole lives of keys");
}

both_engines! {
    async fn f06_f47_whatever_happens_one_key_signs_and_every_live_token_verifies_first_walk(scratch) {
        walk(scratch, 1).await;
    }

    async fn f06_f47_whatever_happens_one_key_signs_and_every_live_token_verifies_second_walk(scratch) {
        walk(scratch, 2).await;
    }
}
