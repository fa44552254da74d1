//! The master key: missing, wrong, half changed, changed.

use std::fs;

use claviger_storage::both_engines;

use super::*;
use crate::MasterKey;

impl World {
    /// Every row opens with one of the master keys on disk.
    async fn assert_every_key_opens(&self, realm: RealmId) {
        let at_hand = MasterOrigin::File(self.master_file()).read().unwrap();
        for row in self.rows(realm).await {
            let Key { id, purpose, number, .. } = row.key;
            let place = crate::master::Place { realm, id, purpose, number };
            assert!(at_hand.iter().any(|master| master.unwrap(&place, &row.wrapped).is_ok()), "{id} is lost");
        }
    }
}

fn files(world: &World) -> BTreeSet<String> {
    let names = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

both_engines! {
    async fn f19_a_missing_master_key_over_existing_data_is_refused_and_none_is_made(scratch) {
        let mut world = World::start(scratch).await;
        let token = world.token(Algorithm::Es256, DAY);
        let (file, aside) = (world.master_file(), world.folder.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        let error = world.try_restart().await.unwrap_err();
        assert_eq!(error, MasterError::Missing(format!("the file {}", file.display())));
        assert!(error.to_string().contains("master.key"));
        assert_eq!(files(&world), BTreeSet::from(["aside".to_owned()]));
        fs::rename(&aside, &file).unwrap();
        world.restart().await;
        world.assert_verifies(&token);
    }

    async fn f19_another_master_key_is_refused_and_both_are_named(scratch) {
        let mut world = World::start(scratch).await;
        let needed = world.ring.master();
        fs::remove_file(world.master_file()).unwrap();
        let other = MasterOrigin::File(world.master_file()).make(&*world.cx.entropy).unwrap().id();
        let error = world.try_restart().await.unwrap_err();
        let place = format!("the file {}", world.master_file().display());
        assert_eq!(error, MasterError::Wrong { place, found: other, needed });
    }

    async fn f19_a_value_of_the_configuration_serves_and_a_wrong_one_is_refused(scratch) {
        let cx = context(&scratch, scratch.id());
        let source = Arc::new(Prepared(AtomicUsize::new(0)));
        let value = |key: &Secret<String>| MasterOrigin::Value { key: key.clone(), other: None };
        let (key, wrong) = (MasterKey::generate(&*cx.entropy), MasterKey::generate(&*cx.entropy));
        let ring = KeyRing::unlock(&cx, tenancy(&cx).await, value(&key), source.clone()).await.unwrap();
        ring.ensure_main(&cx).await.unwrap();
        assert_eq!(ring.master(), MasterKey::parse(&key).unwrap().id());
        let refused = KeyRing::unlock(&cx, tenancy(&cx).await, value(&wrong), source.clone()).await.err().unwrap();
        assert!(matches!(refused, MasterError::Wrong { .. }), "{refused}");
        let malformed = MasterOrigin::Value { key: Secret::from("hunter2"), other: None };
        let refused = KeyRing::unlock(&cx, tenancy(&cx).await, malformed, source.clone()).await.err().unwrap();
        assert!(matches!(&refused, MasterError::Malformed(_)) && !refused.to_string().contains("hunter2"));
        KeyRing::unlock(&cx, tenancy(&cx).await, value(&key), source).await.unwrap();
    }

    async fn the_master_key_changes_while_the_server_runs(scratch) {
        let mut world = World::start(scratch).await;
        let acme = world.realm("acme").await.id;
        let old = world.ring.master();
        let token = world.token(Algorithm::Rs256, DAY);
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        let new = world.ring.change_master(&world.cx, None).await.unwrap();
        assert_ne!(new, old);
        for restarted in [false, true] {
            if restarted {
                world.restart().await;
            }
            assert_eq!(world.ring.master(), new);
            for realm in [world.cx.realm(), acme] {
                world.assert_whole(realm).await;
                assert!(world.rows(realm).await.iter().all(|row| row.master == new.0));
            }
            world.assert_verifies(&token);
            assert_eq!(world.ring.open(world.cx.realm(), &place(b"1"), &sealed).unwrap().expose(), b"link");
        }
        assert_eq!(files(&world), BTreeSet::from(["master.key".to_owned(), format!("master.key.{old}.old")]));
        // And once more.
        world.ring.change_master(&world.cx, None).await.unwrap();
        world.restart().await;
        world.assert_whole(acme).await;
    }

    async fn f06_a_change_of_the_master_key_cut_off_anywhere_loses_no_key(scratch) {
        let mut world = World::start(scratch).await;
        let acme = world.realm("acme").await.id;
        let (main, old) = (world.cx.realm(), world.ring.master());
        let token = world.token(Algorithm::Es256, DAY);
        let sealed = world.ring.seal(&world.cx, &place(b"1"), b"link").unwrap();
        for turns in 1..400 {
            let done = cut(world.ring.change_master(&world.cx, None), turns).await;
            world.restart().await;
            for realm in [main, acme] {
                world.assert_whole(realm).await;
                world.assert_every_key_opens(realm).await;
            }
            world.assert_verifies(&token);
            assert_eq!(world.ring.open(main, &place(b"1"), &sealed).unwrap().expose(), b"link");
            if done.is_some() || (world.ring.master() != old && world.ring.masters.load().leaving.is_none()) {
                assert_ne!(world.ring.master(), old);
                return;
            }
        }
        panic!("no change came through");
    }

    async fn f06_a_change_that_was_begun_is_finished_by_the_next_tick(scratch) {
        let mut world = World::start(scratch).await;
        let acme = world.realm("acme").await.id;
        let (main, old) = (world.cx.realm(), world.ring.master());
        let masters = world.ring.masters.load_full();
        let next = world.ring.origin.next(None, old, &*world.cx.entropy).unwrap();
        let new = next.id();
        world.ring.begin_change(&world.cx, &masters.current, next).await.unwrap();
        // One realm is through, in units of two keys; the other has not begun.
        let both = world.ring.masters.load_full();
        world.ring.rewrap(&world.cx, &masters.current, &both.current, 2).await.unwrap();
        assert!(world.rows(main).await.iter().all(|row| row.master == new.0));
        assert!(world.rows(acme).await.iter().all(|row| row.master == old.0));
        // Now both are needed, and the one that is missing is named.
        let half = |needed| move |error: MasterError| assert!(matches!(error, MasterError::Half { needed: id, .. } if id == needed));
        let (file, waiting, aside) =
            (world.master_file(), world.folder.path().join("master.key.next"), world.folder.path().join("aside"));
        for (gone, needed) in [(&waiting, new), (&file, old)] {
            fs::rename(gone, &aside).unwrap();
            half(needed)(world.try_restart().await.unwrap_err());
            fs::rename(&aside, gone).unwrap();
        }
        world.restart().await;
        // What is made meanwhile is wrapped under the new one.
        world.ring.rotate(&world.cx, acme, ES256).await.unwrap();
        assert_eq!(world.rows(acme).await.iter().filter(|row| row.master == new.0).count(), 1);
        let another = MasterKey::generate(&*world.cx.entropy);
        assert_eq!(world.ring.change_master(&world.cx, Some(&another)).await, Err(MasterError::UnderWay));
        world.tick().await;
        assert!(world.rows(acme).await.iter().all(|row| row.master == new.0));
        assert!(!files(&world).contains("master.key.next"));
        world.restart().await;
        world.assert_whole(acme).await;
    }

    async fn a_key_wrapped_under_the_old_master_key_cannot_slip_in_after_the_change_began(scratch) {
        let world = World::start(scratch).await;
        let other = unlock(&world.cx, world.master_file(), &world.source).await.unwrap();
        let old = world.ring.master();
        let new = world.ring.change_master(&world.cx, None).await.unwrap();
        // The other ring has not heard of it: what it wraps under the old master key is refused at commit, and done anew.
        assert_eq!(other.master(), old);
        other.rotate(&world.cx, world.cx.realm(), ES256).await.unwrap();
        assert_eq!(other.master(), new);
        assert!(world.rows(world.cx.realm()).await.iter().all(|row| row.master == new.0));
    }

    async fn f18_a_damaged_key_keeps_the_old_master_key_until_somebody_decides(scratch) {
        let mut world = World::start(scratch).await;
        let (realm, old) = (world.cx.realm(), world.ring.master());
        let key = world.active(Purpose::Seal);
        world.damage(&key).await;
        assert_eq!(world.ring.change_master(&world.cx, None).await, Err(MasterError::Damaged(1)));
        assert!(world.rows(realm).await.iter().any(|row| row.master == old.0));
        world.restart().await;
        world.ring.remove(&world.cx, realm, key.id, true).await.unwrap();
        world.tick().await;
        assert_ne!(world.ring.master(), old);
        world.restart().await;
        world.assert_whole(realm).await;
    }
}
