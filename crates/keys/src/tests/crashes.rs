//! Calls cut off at every point at which they wait, and two runners at once.

use claviger_storage::both_engines;

use super::*;

impl World {
    /// A second process on the same database; on SQLite, where there cannot be one, a second ring.
    pub(super) async fn second(&self) -> (Cx, KeyRing) {
        let db = self.scratch.second().await.unwrap_or_else(|| self.scratch.store.clone());
        let cx = Cx { db, ..context(&self.scratch, self.cx.realm()) };
        let ring = unlock(&cx, self.master_file(), &self.source).await.unwrap();
        (cx, ring)
    }

    /// Ticks, and is cut off at each point in turn until one tick comes through.
    async fn tick_through_crashes(&mut self, live: &[Token]) {
        for turns in 1..200 {
            let done = cut(self.ring.tick(&self.cx), turns).await;
            self.restart().await;
            self.assert_whole(self.cx.realm()).await;
            for token in live {
                self.assert_verifies(token);
            }
            if done.is_some_and(|ticked| ticked.is_ok()) {
                return;
            }
        }
        panic!("no tick came through");
    }
}

both_engines! {
    async fn f06_a_rotation_cut_off_anywhere_leaves_one_signer_and_loses_no_token(scratch) {
        let mut world = World::start(scratch).await;
        let tokens = |world: &World| Algorithm::ALL.map(|algorithm| world.token(algorithm, MINUTE * 15));
        world.advance(DAY * 89);
        let live = tokens(&world);
        world.tick_through_crashes(&live).await;
        for purpose in [ES256, RS256, Purpose::Opaque, Purpose::Seal] {
            assert_eq!(world.in_state(purpose, KeyState::Pending).len(), 1, "{purpose:?}");
        }
        world.advance(DAY);
        let live = tokens(&world);
        world.tick_through_crashes(&live).await;
        for purpose in [ES256, RS256, Purpose::Opaque, Purpose::Seal] {
            assert_eq!((world.active(purpose).number, world.in_state(purpose, KeyState::Retiring).len()), (2, 1));
        }
        let live = tokens(&world);
        world.advance(MINUTE * 15);
        world.tick_through_crashes(&live).await;
        world.advance(MINUTE * 80);
        world.tick_through_crashes(&[]).await;
        assert_eq!(kids(&world.key_set()).len(), 2);
    }

    async fn f06_a_removal_by_force_cut_off_anywhere_leaves_one_signer(scratch) {
        let mut world = World::start(scratch).await;
        let realm = world.cx.realm();
        for turns in 1..200 {
            let leaked = world.active(ES256);
            let done = cut(world.ring.remove(&world.cx, realm, leaked.id, true), turns).await;
            world.restart().await;
            world.assert_whole(realm).await;
            if done.is_some() {
                assert_ne!(world.active(ES256).id, leaked.id);
                return;
            }
        }
        panic!("no removal came through");
    }

    async fn f06_a_realm_is_there_with_its_keys_or_not_at_all(scratch) {
        let mut world = World::start(scratch).await;
        for turns in 1..200 {
            let name = format!("r{turns}");
            let settings = RealmSettings::default();
            let new = NewRealm { name: name.clone(), display_name: name.clone(), settings };
            let done = cut(world.ring.create_realm(&world.cx, new), turns).await;
            world.restart().await;
            let made = world.ring.tenancy().by_name(&name);
            if let Some(realm) = &made {
                world.ring.signer(realm.id, Algorithm::Es256).unwrap();
                world.ring.opaque(realm.id).unwrap();
                // What was left open, the next tick completes.
                world.tick().await;
                world.assert_whole(realm.id).await;
            }
            if done.is_some() {
                assert!(made.is_some());
                return;
            }
        }
        panic!("no realm came through");
    }

    async fn two_runners_take_each_step_once(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        let realm = world.cx.realm();
        for span in [DAY * 89, DAY, MINUTE * 95] {
            world.advance(span);
            let (one, two) = tokio::join!(world.ring.tick(&world.cx), other.tick(&cx));
            one.unwrap();
            two.unwrap();
            world.ring.reload(realm).await.unwrap();
            other.reload(realm).await.unwrap();
            assert_eq!(world.ring.keys(realm).unwrap(), other.keys(realm).unwrap());
            world.assert_whole(realm).await;
        }
        let rows = world.rows(realm).await;
        for purpose in [ES256, RS256, Purpose::Opaque, Purpose::Seal] {
            assert_eq!(rows.iter().filter(|row| row.key.purpose == purpose).count(), 2, "{purpose:?}");
        }
        assert_eq!(kids(&world.key_set()).len(), 2);
    }

    async fn two_commands_at_once_publish_one_key(scratch) {
        let world = World::start(scratch).await;
        let (cx, other) = world.second().await;
        let realm = world.cx.realm();
        let (one, two) = tokio::join!(world.ring.rotate(&world.cx, realm, ES256), other.rotate(&cx, realm, ES256));
        assert_eq!(one.unwrap(), two.unwrap());
        world.assert_whole(realm).await;
    }

    async fn two_first_starts_over_one_empty_store_make_one_realm(scratch) {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(Prepared(AtomicUsize::new(0)));
        let file = folder.path().join("master.key");
        let (one, two) = (context(&scratch, scratch.id()), context(&scratch, scratch.id()));
        // The file is laid out for both nodes, as an operator does it.
        MasterOrigin::File(file.clone()).make(&*one.entropy).unwrap();
        let start = async |cx: &Cx| {
            let ring = unlock(cx, file.clone(), &source).await.unwrap();
            let main = ring.ensure_main(cx).await.unwrap();
            ring.tick(cx).await.unwrap();
            (main.id, ring)
        };
        let ((first, ring), (second, _)) = tokio::join!(start(&one), start(&two));
        assert_eq!(first, second);
        ring.load().await.unwrap();
        assert_eq!((ring.faults(), ring.tenancy().all().len()), (vec![], 1));
    }
}
