//! Several nodes on one database: one of them brings keys on, all of them know a key before it signs.

use claviger_crypto::opaque::{self, Kind};
use claviger_crypto::random_secret;
use claviger_kernel::{FamilyId, ManualClock};
use claviger_storage::nodes::{ALIVE, Nodes};
use claviger_storage::{Change, Follower as _, both_engines};
use claviger_tenancy::RealmChange;

use super::*;
use crate::turn::Turn;
use crate::{KeysError, Rotation};

claviger_storage::statements! {
    SILENT: shared("a test makes time pass") "update nodes set seen_at = seen_at - $1";
    CHANGES: "select realm_id, kind, subject, unit_id from change_log where realm_id = $1 order by position limit 1000";
}

/// A time of the database that lies after everything in a test.
const LATE: Timestamp = Timestamp::from_seconds(4_000_000_000);
/// One that lies before.
const EARLY: Timestamp = Timestamp::from_seconds(1);

impl World {
    fn node(&self) -> Nodes {
        Nodes::new(self.scratch.store.clone(), self.scratch.clock(), self.scratch.entropy(), "test")
    }

    async fn settings(&self, patch: serde_json::Value) {
        let tenancy = self.ring.tenancy();
        let realm = tenancy.by_id(self.cx.realm()).unwrap();
        let settings = Some(realm.settings.patched(&patch).unwrap());
        let change = RealmChange { settings, ..RealmChange::default() };
        tenancy.update(&self.cx, realm.id, realm.version, change).await.unwrap();
    }

    async fn all(&self, sql: &'static claviger_storage::Sql, args: Vec<claviger_storage::Value>) {
        let mut unit = claviger_audit::quiet(&self.cx, "a test makes time pass");
        unit.any("row", sql, args);
        self.cx.commit(unit).await.unwrap();
    }

    /// The entries of the change log so far.
    async fn changes(&self) -> Vec<Change> {
        let read = |row: &claviger_storage::Row<'_>| {
            Ok(Change { realm: row.get(0)?, kind: row.get(1)?, subject: row.get(2)?, unit: row.get(3)? })
        };
        self.cx.db.list(self.cx.realm(), &CHANGES, args![self.cx.realm()], read).await.unwrap()
    }

    /// Every purpose that rotates has its second key in use; each step was taken once.
    async fn assert_rotated_once(&self) {
        let rows = self.rows(self.cx.realm()).await;
        for purpose in [ES256, RS256, Purpose::Opaque, Purpose::Seal] {
            let keys: Vec<_> = rows.iter().filter(|row| row.key.purpose == purpose).map(|row| row.key.number).collect();
            assert_eq!(keys.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2]), "{purpose:?}");
            assert_eq!(keys.len(), 2, "{purpose:?}");
        }
    }
}

both_engines! {
    async fn f23_while_one_node_has_the_turn_no_clock_gives_it_to_another(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        world.advance(DAY * 89);
        let turn = Turn::take(&world.cx).await.unwrap().unwrap();
        let before = world.rows(world.cx.realm()).await.len();
        // By this clock every lease and every key is long over.
        let jumped = Cx { clock: Arc::new(ManualClock::new(world.now().plus(DAY * 1_000))), ..cx.clone() };
        for cx in [&jumped, &cx] {
            other.tick(cx).await.unwrap();
            assert_eq!(world.rows(world.cx.realm()).await.len(), before);
        }
        assert!(other.next_due() > Some(cx.now()), "it does not ask again at once");
        turn.end().await;
        world.advance(MINUTE);
        other.tick(&cx).await.unwrap();
        assert_eq!(world.rows(world.cx.realm()).await.len(), before + 4);
    }

    async fn f23_a_rotator_that_slept_through_its_turn_writes_nothing(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        let realm = world.ring.tenancy().by_id(world.cx.realm()).unwrap();
        world.advance(DAY * 89);
        let mut slept = Turn::take(&world.cx).await.unwrap().unwrap();
        world.turn_runs_out().await;
        other.tick(&cx).await.unwrap();
        let between = world.rows(realm.id).await.len();
        // Its view is as old as its turn: it would publish a second next key.
        let late = world.ring.advance(&world.cx, &realm, Some(slept.lease())).await;
        assert_eq!(late, Err(KeysError::Elsewhere));
        assert_eq!(world.rows(realm.id).await.len(), between);
        world.advance(MINUTE);
        assert!(!slept.keep(&world.cx).await.unwrap());
        slept.end().await;
        world.advance(DAY);
        let (one, two) = tokio::join!(world.ring.tick(&world.cx), other.tick(&cx));
        one.unwrap();
        two.unwrap();
        world.assert_rotated_once().await;
        world.ring.reload(realm.id).await.unwrap();
        world.assert_whole(realm.id).await;
    }

    async fn f06_a_rotator_that_dies_is_followed_by_another_once_its_turn_has_run_out(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        world.advance(DAY * 89);
        drop(Turn::take(&world.cx).await.unwrap().unwrap());
        other.tick(&cx).await.unwrap();
        assert!(world.rows(world.cx.realm()).await.iter().all(|row| row.key.state == KeyState::Active));
        world.turn_runs_out().await;
        other.tick(&cx).await.unwrap();
        let pending = world.rows(world.cx.realm()).await.into_iter().filter(|row| row.key.state == KeyState::Pending);
        assert_eq!(pending.count(), 4);
    }

    async fn every_unit_of_the_rotator_asserts_its_turn(scratch) {
        let mut world = World::start(scratch).await;
        // Publish, activate, remove: none of them without the turn.
        for (span, changed) in [(DAY * 89, 4), (DAY, 8), (MINUTE * 95, 2)] {
            world.advance(span);
            let realm = world.ring.tenancy().by_id(world.cx.realm()).unwrap();
            let stale = Turn::take(&world.cx).await.unwrap().unwrap();
            world.turn_runs_out().await;
            Turn::take(&world.cx).await.unwrap().unwrap().end().await;
            let states = async |world: &World| {
                world.rows(realm.id).await.into_iter().map(|row| (row.key.id, row.key.state)).collect::<Vec<_>>()
            };
            let before = states(&world).await;
            let refused = world.ring.advance(&world.cx, &realm, Some(stale.lease())).await;
            assert_eq!((refused, states(&world).await), (Err(KeysError::Elsewhere), before.clone()));
            world.tick().await;
            let after = states(&world).await;
            assert_eq!(after.iter().filter(|one| !before.contains(one)).count(), changed);
            world.restart().await;
        }
        // The first RSA key of a realm too.
        let name = "acme".to_owned();
        let new = NewRealm { name: name.clone(), display_name: name, settings: RealmSettings::default() };
        let made = cut(world.ring.create_realm(&world.cx, new), 400).await.unwrap().unwrap();
        assert_eq!(world.rows(made.id).await.len(), 5);
    }

    async fn f47_a_key_signs_only_when_every_live_node_has_told_that_it_knows_it(scratch) {
        let world = World::start(scratch).await;
        let (first, slow, dead) = (world.active(ES256).id, world.node(), world.node());
        world.advance(DAY * 89);
        world.tick().await;
        slow.beat(EARLY).await.unwrap();
        dead.beat(EARLY).await.unwrap();
        world.node().beat(LATE).await.unwrap();
        world.advance(DAY * 2);
        let waits = async |world: &World| {
            world.tick().await;
            assert_eq!(world.active(ES256).id, first);
            let asked = world.ring.rotate(&world.cx, world.cx.realm(), ES256).await.unwrap();
            assert!(matches!(asked, Rotation::Published { .. }), "nor by command: {asked:?}");
            assert!(world.ring.next_due() > Some(world.now()), "it is not asked without pause");
        };
        waits(&world).await;
        slow.beat(LATE).await.unwrap();
        waits(&world).await;
        // One has died without a word; the others go on telling.
        world.all(&SILENT, args![i64::try_from(ALIVE.as_micros()).unwrap()]).await;
        slow.beat(LATE).await.unwrap();
        world.tick().await;
        assert_ne!(world.active(ES256).id, first);
        assert_eq!(world.active(Purpose::Opaque).number, 2);
    }

    async fn f47_a_node_that_left_in_order_is_not_waited_for(scratch) {
        let world = World::start(scratch).await;
        let node = world.node();
        world.advance(DAY * 89);
        world.tick().await;
        node.beat(EARLY).await.unwrap();
        world.advance(DAY);
        world.tick().await;
        assert_eq!(world.active(ES256).number, 1);
        node.leave().await.unwrap();
        world.tick().await;
        assert_eq!(world.active(ES256).number, 2);
    }

    async fn f50_a_leaked_key_is_replaced_at_once_and_refused_on_every_node_that_follows(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        let realm = world.cx.realm();
        world.node().beat(EARLY).await.unwrap();
        let (leaked, token) = (world.active(ES256), world.token(Algorithm::Es256, MINUTE * 15));
        world.ring.remove(&world.cx, realm, leaked.id, true).await.unwrap();
        let fresh = world.token(Algorithm::Es256, MINUTE * 15);
        assert!(token.verifies_with(&other.jwks(realm).unwrap().body), "it has not heard yet");
        other.apply(&world.changes().await).await.unwrap();
        let shown = other.jwks(realm).unwrap().body.clone();
        assert!(!token.verifies_with(&shown) && fresh.verifies_with(&shown));
        assert_eq!(other.signer(realm, Algorithm::Es256).unwrap().kid(), fresh.kid);
        drop(cx);
    }

    async fn a066_what_was_issued_in_a_realm_is_void_once_all_keys_are_replaced(scratch) {
        let world = World::start(scratch).await;
        let (_cx, other) = world.second().await;
        let (realm, acme) = (world.cx.realm(), world.realm("acme").await.id);
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        world.advance(DAY);
        world.tick().await;
        world.ring.rotate(&world.cx, realm, Purpose::Opaque).await.unwrap();
        let (tokens, before) = (Algorithm::ALL.map(|algorithm| world.token(algorithm, DAY)), world.ring.jwks(acme).unwrap());
        let (id, secret) = (FamilyId::from_bytes([3; 16]), random_secret(&*world.cx.entropy));
        let cookie = opaque::mint(Kind::Session, &world.ring.opaque(realm).unwrap(), id, 0, &secret);
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        let mac = |ring: &KeyRing| ring.mac(realm, "client secret/1").unwrap().tag("t", &[b"x"]);
        let hash = mac(&world.ring);
        world.ring.replace_all(&world.cx, realm).await.unwrap();
        other.apply(&world.changes().await).await.unwrap();
        for ring in [&world.ring, &other] {
            let set = ring.jwks(realm).unwrap();
            assert!(tokens.iter().all(|token| !token.verifies_with(&set.body)));
            assert!(opaque::parse(Kind::Session, cookie.expose(), &ring.opaque(realm).unwrap()).is_err());
            assert_eq!(ring.open(realm, &place(b"1"), &sealed).unwrap().expose(), b"link");
            assert_eq!(mac(ring), hash);
            assert_eq!(kids(&set.body).len(), 2, "nothing of before is left, and nothing is pending");
        }
        world.assert_whole(realm).await;
        world.assert_verifies(&world.token(Algorithm::Rs256, MINUTE));
        assert_eq!(world.ring.jwks(acme).unwrap(), before, "another realm goes on");
    }

    async fn f44_entries_that_come_twice_late_and_in_any_order_bring_no_removed_key_back(scratch) {
        let world = World::start(scratch).await;
        let (_cx, other) = world.second().await;
        let (realm, token) = (world.cx.realm(), world.token(Algorithm::Es256, MINUTE * 15));
        world.ring.remove(&world.cx, realm, world.active(ES256).id, true).await.unwrap();
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        let mut changes = world.changes().await;
        for _ in 0..3 {
            changes.reverse();
            changes.extend(changes.clone());
            other.apply(&changes).await.unwrap();
            other.apply(&changes[..1]).await.unwrap();
            assert_eq!(other.keys(realm).unwrap(), world.ring.keys(realm).unwrap());
            assert!(!token.verifies_with(&other.jwks(realm).unwrap().body));
        }
    }

    async fn f44_a_load_that_began_before_a_removal_never_replaces_one_that_began_after(scratch) {
        let world = World::start(scratch).await;
        let realm = world.cx.realm();
        for turns in 1..50 {
            let leaked = world.active(ES256);
            let mut late = pin!(world.ring.reload(realm));
            let done = cut(late.as_mut(), turns).await;
            world.ring.remove(&world.cx, realm, leaked.id, true).await.unwrap();
            if done.is_none() {
                late.await.unwrap();
            }
            assert!(!kids(&world.key_set()).contains(leaked.kid.as_ref().unwrap()), "after {turns} turns");
            if done.is_some() {
                return;
            }
        }
        panic!("no load came through");
    }

    async fn another_node_takes_part_in_a_change_of_the_master_key(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        let realm = world.cx.realm();
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        let new = world.ring.change_master(&world.cx, None).await.unwrap();
        other.apply(&world.changes().await).await.unwrap();
        assert_eq!((other.master(), other.faults()), (new, vec![]));
        assert_eq!(other.open(realm, &place(b"1"), &sealed).unwrap().expose(), b"link");
        other.rotate(&cx, realm, ES256).await.unwrap();
        assert!(world.rows(realm).await.iter().all(|row| row.master == new.0));
    }

    async fn f47_whoever_caches_the_key_set_for_its_time_verifies_every_token_across_ten_rotations(scratch) {
        let world = World::start(scratch).await;
        world.settings(json!({ "keys": { "rotation": "80m", "publish_ahead": "20m", "jwks_max_age": "10m" } })).await;
        // Clients that never fetch before the time is over, each at its own minute.
        let mut cached: Vec<String> = vec![world.key_set(); 10];
        let mut tokens: Vec<Token> = Vec::new();
        let mut signers = BTreeSet::new();
        for minute in 0..(80 * 11) {
            world.tick().await;
            cached[minute % 10] = world.key_set();
            let now = world.now();
            tokens.extend(Algorithm::ALL.map(|algorithm| world.token(algorithm, MINUTE * 15)));
            tokens.retain(|token| token.expires > now);
            signers.extend(tokens.iter().map(|token| token.kid.clone()));
            for set in &cached {
                let known = kids(set);
                let unknown: Vec<_> = tokens.iter().filter(|token| !known.contains(&token.kid)).collect();
                assert!(unknown.is_empty(), "minute {minute}: {unknown:?} with {set}");
            }
            // The keys of that name are the very keys, as seen by who fetched longest ago.
            for token in [&tokens[0], &tokens[tokens.len() - 1]] {
                assert!(token.verifies_with(&cached[(minute + 1) % 10]), "minute {minute}");
            }
            world.advance(MINUTE);
        }
        // RSA keys come from a small pool; the others are all different.
        let elliptic = world.rows(world.cx.realm()).await.into_iter().filter(|row| row.key.purpose == ES256).count();
        assert!(elliptic > 10 && signers.len() > 10, "{elliptic} keys, {} signed", signers.len());
    }
}
