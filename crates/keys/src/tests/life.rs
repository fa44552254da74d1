//! A key's life by schedule, by command and by force; what the key set shows at each moment.

use claviger_crypto::opaque::{self, Kind};
use claviger_crypto::random_secret;
use claviger_kernel::{FamilyId, SystemReason};
use claviger_storage::both_engines;
use claviger_tenancy::RealmChange;

use super::*;
use crate::{KeyFault, KeysError, Rotation};

claviger_storage::statements! {
    WRAPPED: "update realm_keys set wrapped = $3 where realm_id = $1 and id = $2";
    LOSE: "delete from realm_keys where realm_id = $1 and id = $2";
    EVENTS: "select name from audit_events where realm_id = $1 order by at, name limit 1000";
}

impl World {
    /// Writes behind the ring's back.
    async fn write(&self, sql: &'static claviger_storage::Sql, args: Vec<claviger_storage::Value>) {
        let mut unit = claviger_audit::quiet(&self.cx, "a test damages a row");
        unit.one("row", sql, args);
        self.cx.commit(unit).await.unwrap();
    }

    /// Flips one bit of a wrapped key.
    pub(super) async fn damage(&self, key: &Key) {
        let mut row = self.rows(self.cx.realm()).await.into_iter().find(|row| row.key.id == key.id).unwrap();
        let at = row.wrapped.len() / 2;
        row.wrapped[at] ^= 1;
        self.write(&WRAPPED, args![self.cx.realm(), key.id, row.wrapped]).await;
        self.ring.reload(self.cx.realm()).await.unwrap();
    }
}

both_engines! {
    async fn a_new_realm_has_every_key_it_needs_and_is_due_in_89_days(scratch) {
        let world = World::start(scratch).await;
        world.assert_whole(world.cx.realm()).await;
        assert_eq!(world.ring.next_due(), Some(world.now().plus(DAY * 89)));
        assert_eq!(kids(&world.key_set()).len(), 2);
        let events: Vec<String> =
            world.cx.db.list(world.cx.realm(), &EVENTS, args![world.cx.realm()], |row| row.get(0)).await.unwrap();
        let mut expected = vec!["key_created"; 5];
        expected.extend(["master_key_recorded", "realm_created"]);
        assert_eq!(events, expected);
    }

    async fn f47_tokens_verify_with_the_published_keys_at_every_moment_of_a_rotation(scratch) {
        let world = World::start(scratch).await;
        let first = world.active(ES256);
        let before = world.token(Algorithm::Es256, MINUTE * 15);
        world.advance(DAY * 89);
        world.tick().await;
        // Published, and not signing yet.
        let next = world.in_state(ES256, KeyState::Pending).remove(0);
        assert!(kids(&world.key_set()).contains(next.kid.as_ref().unwrap()));
        assert_eq!(world.active(ES256), first);
        let cached = world.key_set();
        world.advance(DAY);
        let last = world.token(Algorithm::Es256, MINUTE * 15);
        world.tick().await;
        let after = world.token(Algorithm::Es256, MINUTE * 15);
        assert_eq!((&last.kid, &after.kid), (first.kid.as_ref().unwrap(), next.kid.as_ref().unwrap()));
        for token in [&before, &last, &after] {
            world.assert_verifies(token);
            assert!(token.verifies_with(&cached), "who fetched the key set before the change still verifies");
        }
        // The last token, an hour, and two caches later the old key goes.
        let gone = world.now().plus(MINUTE * 15 + MINUTE * 60 + CACHE * 2);
        assert_eq!(world.ring.next_due(), Some(gone));
        world.scratch.clock.set(gone.minus(Duration::from_micros(1)));
        world.tick().await;
        world.assert_verifies(&last);
        world.scratch.clock.set(gone);
        world.tick().await;
        assert!(!last.verifies_with(&world.key_set()));
        world.assert_verifies(&after);
        let old = world.rows(world.cx.realm()).await.into_iter().find(|row| row.key.id == first.id).unwrap();
        assert_eq!((old.key.state, old.wrapped), (KeyState::Removed, vec![]));
        world.assert_whole(world.cx.realm()).await;
    }

    async fn a_tick_that_has_nothing_to_do_writes_nothing(scratch) {
        let world = World::start(scratch).await;
        let before = world.rows(world.cx.realm()).await;
        world.advance(DAY * 88);
        world.tick().await;
        let keys = |rows: Vec<KeyRow>| rows.into_iter().map(|row| (row.key, row.wrapped)).collect::<Vec<_>>();
        assert_eq!(keys(world.rows(world.cx.realm()).await), keys(before));
    }

    async fn who_waits_for_the_next_step_hears_of_one_that_comes_sooner(scratch) {
        let world = World::start(scratch).await;
        let realm = world.cx.realm();
        let mut due = pin!(world.ring.until_due(&world.scratch.clock));
        assert_eq!(cut(due.as_mut(), 1).await, None);
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        assert_eq!(cut(due.as_mut(), 1).await, None);
        world.advance(DAY);
        assert_eq!(cut(due.as_mut(), 1).await, Some(()));
        world.tick().await;
        // The other purposes' keys are a day old: due at once under a rotation of 80 minutes.
        let mut due = pin!(world.ring.until_due(&world.scratch.clock));
        assert_eq!(cut(due.as_mut(), 1).await, None);
        let patch = json!({ "keys": { "rotation": "80m", "publish_ahead": "20m" } });
        let settings = Some(RealmSettings::default().patched(&patch).unwrap());
        let change = RealmChange { settings, ..RealmChange::default() };
        world.ring.tenancy().update(&world.cx, realm, 1, change).await.unwrap();
        assert_eq!(cut(due.as_mut(), 1).await, Some(()));
    }

    async fn a_rotation_by_command_publishes_first_and_goes_on_when_asked_again(scratch) {
        let world = World::start(scratch).await;
        let (realm, first) = (world.cx.realm(), world.active(ES256));
        let asked = world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        let Rotation::Published { next, takes_over } = asked else { panic!("{asked:?}") };
        assert_eq!(takes_over, world.now().plus(DAY));
        // Asked again at once, nothing more happens.
        world.advance(MINUTE);
        let again = world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        assert_eq!(again, Rotation::Published { next: next.clone(), takes_over });
        assert_eq!(world.active(ES256), first);
        world.advance(DAY);
        let done = world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        assert!(matches!(done, Rotation::Activated(key) if key.id == next.id));
        assert_eq!(world.in_state(ES256, KeyState::Retiring)[0].id, first.id);
        assert_eq!(world.active(RS256).number, 1);
    }

    async fn a_scheduled_key_that_is_asked_for_comes_sooner(scratch) {
        let world = World::start(scratch).await;
        world.advance(DAY * 89);
        world.tick().await;
        let waiting = world.in_state(ES256, KeyState::Pending).remove(0);
        // The schedule is stretched: it would take over in a year.
        let settings = RealmSettings::default().patched(&json!({ "keys": { "rotation": "365d" } })).unwrap();
        let change = RealmChange { settings: Some(settings), ..RealmChange::default() };
        world.ring.tenancy().update(&world.cx, world.cx.realm(), 1, change).await.unwrap();
        world.advance(DAY * 2);
        world.tick().await;
        assert_eq!(world.in_state(ES256, KeyState::Pending)[0], waiting);
        let done = world.ring.rotate(&world.cx, world.cx.realm(), ES256).await.unwrap();
        assert!(matches!(done, Rotation::Activated(key) if key.id == waiting.id));
    }

    async fn f48_a_key_with_live_tokens_is_removed_by_force_alone_and_its_tokens_die(scratch) {
        let world = World::start(scratch).await;
        let (realm, leaked) = (world.cx.realm(), world.active(ES256));
        let token = world.token(Algorithm::Es256, MINUTE * 15);
        let refused = world.ring.remove(&world.cx, realm, leaked.id, false).await;
        assert_eq!(refused, Err(KeysError::InUse));
        world.assert_verifies(&token);
        world.ring.remove(&world.cx, realm, leaked.id, true).await.unwrap();
        assert!(!token.verifies_with(&world.key_set()));
        world.assert_whole(realm).await;
        world.assert_verifies(&world.token(Algorithm::Es256, MINUTE));
        assert_eq!(world.ring.remove(&world.cx, realm, leaked.id, true).await, Err(KeysError::Removed));
        assert_eq!(world.ring.remove(&world.cx, realm, world.scratch.id(), true).await, Err(KeysError::NoKey));
    }

    async fn f48_a_retiring_key_stays_as_long_as_its_tokens_unless_forced(scratch) {
        let world = World::start(scratch).await;
        let (realm, old) = (world.cx.realm(), world.active(ES256));
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        world.advance(DAY);
        world.tick().await;
        let until = world.now().plus(MINUTE * 95);
        let refused = world.ring.remove(&world.cx, realm, old.id, false).await;
        assert_eq!(refused, Err(KeysError::LiveTokens(until)));
        // A longer life set meanwhile keeps it longer: a token of that life may have been signed by a slow node.
        let settings = RealmSettings::default().patched(&json!({ "tokens": { "access_longest": "2h" } })).unwrap();
        let change = RealmChange { settings: Some(settings), ..RealmChange::default() };
        world.ring.tenancy().update(&world.cx, realm, 1, change).await.unwrap();
        world.scratch.clock.set(until);
        let refused = world.ring.remove(&world.cx, realm, old.id, false).await;
        assert_eq!(refused, Err(KeysError::LiveTokens(until.plus(MINUTE * 105))));
        world.advance(MINUTE * 105);
        world.ring.remove(&world.cx, realm, old.id, false).await.unwrap();
    }

    async fn opaque_values_and_sealed_secrets_outlive_the_keys_that_made_them(scratch) {
        let mut world = World::start(scratch).await;
        let realm = world.cx.realm();
        let (id, secret) = (FamilyId::from_bytes([3; 16]), random_secret(&*world.cx.entropy));
        let value = opaque::mint(Kind::RefreshToken, &world.ring.opaque(realm).unwrap(), id, 0, &secret);
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        for _ in 0..3 {
            for purpose in [Purpose::Opaque, Purpose::Seal] {
                world.ring.rotate(&world.cx, realm, purpose).await.unwrap();
            }
            world.advance(DAY);
            world.tick().await;
        }
        world.advance(DAY * 400);
        world.restart().await;
        world.tick().await;
        let keys = world.ring.opaque(realm).unwrap();
        assert!(keys.current() > 3);
        assert_eq!(opaque::parse(Kind::RefreshToken, value.expose(), &keys).unwrap().key_id(), 1);
        assert_eq!(world.ring.open(realm, &place(b"1"), &sealed).unwrap().expose(), b"link");
        assert_ne!(world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap()[..4], sealed[..4]);
        let refused = world.ring.remove(&world.cx, realm, world.in_state(Purpose::Seal, KeyState::Retiring)[0].id, true);
        assert_eq!(refused.await, Err(KeysError::StillRead));
        assert_eq!(world.ring.rotate(&world.cx, realm, Purpose::Mac).await, Err(KeysError::Permanent));
    }

    async fn a062_realms_share_no_key_of_any_kind(scratch) {
        let world = World::start(scratch).await;
        let (main, acme) = (world.cx.realm(), world.realm("acme").await.id);
        world.assert_whole(acme).await;
        let foreign = world.ring.jwks(acme).unwrap();
        for algorithm in Algorithm::ALL {
            assert!(!world.token(algorithm, MINUTE).verifies_with(&foreign.body));
        }
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        assert!(world.ring.open(acme, &place(b"1"), &sealed).is_err());
        assert!(world.ring.open(main, &place(b"2"), &sealed).is_err());
        let tag = |realm, purpose| world.ring.mac(realm, purpose).unwrap().tag("t", &[b"x"]);
        assert_ne!(tag(main, "client secret/1"), tag(acme, "client secret/1"));
        assert_ne!(tag(main, "client secret/1"), tag(main, "address/1"));
        let secret = random_secret(&*world.cx.entropy);
        let value = opaque::mint(Kind::Session, &world.ring.opaque(main).unwrap(), FamilyId::from_bytes([1; 16]), 0, &secret);
        assert!(opaque::parse(Kind::Session, value.expose(), &world.ring.opaque(acme).unwrap()).is_err());
    }

    async fn a072_the_key_set_shows_public_members_alone_and_its_tag_changes_with_it(scratch) {
        let mut world = World::start(scratch).await;
        let realm = world.cx.realm();
        let before = world.ring.jwks(realm).unwrap();
        world.restart().await;
        assert_eq!(*world.ring.jwks(realm).unwrap(), *before);
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        let after = world.ring.jwks(realm).unwrap();
        assert_ne!((&after.body, &after.etag), (&before.body, &before.etag));
        assert!(after.etag.starts_with('"') && after.etag.ends_with('"') && after.etag.len() > 20);
        let document: serde_json::Value = serde_json::from_str(&after.body).unwrap();
        assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
        for key in document["keys"].as_array().unwrap() {
            let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            let public: &[&str] = if key["kty"] == "EC" {
                &["alg", "crv", "kid", "kty", "use", "x", "y"]
            } else {
                &["alg", "e", "kid", "kty", "n", "use"]
            };
            assert_eq!(members, public);
        }
    }

    async fn the_consumers_form_of_the_key_set_is_made_once_until_keys_change(scratch) {
        let world = World::start(scratch).await;
        let realm = world.cx.realm();
        let set = || world.ring.key_set(realm, |issuer, keys| (issuer.to_owned(), keys.len())).unwrap();
        let first = set();
        assert_eq!(*first, ("https://id.test".to_owned(), 2));
        assert!(Arc::ptr_eq(&first, &set()));
        world.ring.rotate(&world.cx, realm, ES256).await.unwrap();
        assert_eq!(set().1, 3);
    }

    async fn who_signs_in_first_waits_for_the_rsa_key_but_not_for_ever(scratch) {
        let world = World::begin(scratch).await;
        let realm = world.cx.realm();
        let signer = || world.ring.signer_once_made(&world.scratch.clock, realm, Algorithm::Rs256);
        let (given_up, ()) = tokio::join!(signer(), async { world.advance(Duration::from_secs(10)) });
        assert!(given_up.is_err());
        let (made, ()) = tokio::join!(signer(), world.tick());
        made.unwrap();
    }

    async fn f18_a_flipped_bit_is_found_and_the_key_is_neither_used_nor_replaced(scratch) {
        let mut world = World::start(scratch).await;
        let (realm, key) = (world.cx.realm(), world.active(ES256));
        world.damage(&key).await;
        assert_eq!(world.ring.faults(), [KeyFault::Damaged { realm, key: key.id }]);
        assert!(world.ring.signer(realm, Algorithm::Es256).is_err());
        assert!(!kids(&world.key_set()).contains(key.kid.as_ref().unwrap()));
        world.ring.signer(realm, Algorithm::Rs256).unwrap();
        world.restart().await;
        world.tick().await;
        assert_eq!(world.ring.faults(), [KeyFault::Damaged { realm, key: key.id }]);
        // Only somebody's word puts another in its place.
        world.ring.remove(&world.cx, realm, key.id, true).await.unwrap();
        world.assert_whole(realm).await;
    }

    async fn f18_a_wrapped_key_that_was_moved_to_another_row_is_refused(scratch) {
        let world = World::start(scratch).await;
        let realm = world.cx.realm();
        let rows = world.rows(realm).await;
        let [opaque, seal] = [Purpose::Opaque, Purpose::Seal]
            .map(|purpose| rows.iter().find(|row| row.key.purpose == purpose).unwrap());
        world.write(&WRAPPED, args![realm, seal.key.id, &opaque.wrapped]).await;
        world.ring.reload(realm).await.unwrap();
        assert_eq!(world.ring.faults(), [KeyFault::Damaged { realm, key: seal.key.id }]);
        assert!(world.ring.seal(&world.cx, &place(b"1"), b"x").is_err());
    }

    async fn f51_lost_keys_are_not_made_anew_and_restored_ones_verify_again(scratch) {
        let mut world = World::start(scratch).await;
        let realm = world.cx.realm();
        let tokens = Algorithm::ALL.map(|algorithm| world.token(algorithm, DAY));
        let saved = world.rows(realm).await;
        for row in &saved {
            world.write(&LOSE, args![realm, row.key.id]).await;
        }
        world.restart().await;
        world.advance(DAY * 200);
        world.tick().await;
        assert_eq!((world.rows(realm).await.len(), world.ring.faults().len()), (0, 5));
        assert!(world.ring.signer(realm, Algorithm::Es256).is_err());
        for KeyRow { key, master, wrapped } in saved {
            let (purpose, state, since) = (key.purpose.as_str(), key.state.as_str(), key.published_at);
            let args = args![
                realm, key.id, purpose, key.number, key.kid.as_deref(), state, key.soon, since, key.active_at, master, wrapped
            ];
            world.write(&sql::INSERT, args).await;
        }
        world.restart().await;
        for token in &tokens {
            world.assert_verifies(token);
        }
    }

    async fn a_realm_is_made_whole_and_a_taken_name_leaves_nothing(scratch) {
        let world = World::start(scratch).await;
        let acme = world.realm("acme").await;
        assert_eq!(acme.issuer, "https://id.test/realms/acme");
        let new = NewRealm { name: "acme".into(), display_name: "A".into(), settings: RealmSettings::default() };
        assert!(matches!(world.ring.create_realm(&world.cx, new).await, Err(KeysError::Tenancy(_))));
        assert_eq!(world.ring.tenancy().all().len(), 2);
        // The realm's first events stand in itself, whoever asked for it.
        let caller = Caller::system(acme.id, world.now(), world.scratch.id(), SystemReason::BOOTSTRAP);
        let events: Vec<String> = world
            .cx
            .with(caller)
            .db
            .list(acme.id, &EVENTS, args![acme.id], |row| row.get(0))
            .await
            .unwrap();
        assert_eq!(events.iter().filter(|name| *name == "realm_created").count(), 1);
    }
}
