use std::time::Duration;

use claviger_audit::Cx;
use claviger_kernel::{Caller, Clock as _, RealmId, SystemReason};
use claviger_storage::scratch::Scratch;
use claviger_storage::{args, both_engines};
use serde_json::json;

use crate::{Draft, NewRealm, RealmChange, RealmSettings, RealmStatus, Tenancy, TenancyError};

claviger_storage::statements! {
    EVENTS: "select name from audit_events where realm_id = $1 order by name limit 100";
    BREAK: shared("a test damages a row") "update realms set settings = $2 where id = $1";
}

async fn open(scratch: &Scratch) -> Tenancy {
    Tenancy::open(scratch.store.clone(), "https://id.test".parse().unwrap()).await.unwrap()
}

fn context(scratch: &Scratch) -> Cx {
    Cx {
        db: scratch.store.clone(),
        ephemeral: scratch.ephemeral(),
        clock: scratch.clock(),
        entropy: scratch.entropy(),
        caller: Caller::system(scratch.id(), scratch.clock.now(), scratch.id(), SystemReason::BOOTSTRAP),
    }
}

fn new(name: &str) -> NewRealm {
    NewRealm { name: name.to_owned(), display_name: "Acme".to_owned(), settings: RealmSettings::default() }
}

/// Makes a realm without keys; the real maker is the key ring.
async fn make(tenancy: &Tenancy, cx: &Cx, new: NewRealm) -> Result<RealmId, TenancyError> {
    let name = new.name.clone();
    let Draft { cx, unit, realm } = tenancy.draft(cx, cx.id(), new)?;
    let committed = cx.commit(unit).await;
    tenancy.reload().await?;
    committed.map_err(|error| TenancyError::committing(error, &name))?;
    Ok(realm.id)
}

async fn events(cx: &Cx, realm: RealmId) -> Vec<String> {
    cx.db.list(realm, &EVENTS, args![realm], |row| row.get(0)).await.unwrap()
}

both_engines! {
    async fn a_realm_is_found_by_name_and_id_with_its_own_issuer(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        assert_eq!((tenancy.main(), tenancy.all().len()), (None, 0));
        let (main, acme) = (make(&tenancy, &cx, new("main")).await.unwrap(), make(&tenancy, &cx, new("acme")).await.unwrap());
        assert_eq!(tenancy.main().unwrap().id, main);
        let realm = tenancy.by_name("acme").unwrap();
        assert_eq!((realm.issuer.as_str(), realm.base_path.as_str()), ("https://id.test/realms/acme", "/realms/acme"));
        assert_eq!(tenancy.by_id(acme).unwrap(), realm);
        assert_eq!((tenancy.by_name("Acme"), tenancy.by_id(scratch.id())), (None, None));
        assert_eq!(tenancy.all().iter().map(|realm| realm.name.as_str()).collect::<Vec<_>>(), ["acme", "main"]);
        assert_eq!(events(&cx, acme).await, ["realm_created"]);
        // Another view, as another start has it.
        assert_eq!(*open(&scratch).await.by_name("acme").unwrap(), *realm);
    }

    async fn a_name_is_given_once_and_reserved_ones_never(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        make(&tenancy, &cx, new("acme")).await.unwrap();
        assert_eq!(make(&tenancy, &cx, new("acme")).await, Err(TenancyError::Taken("acme".to_owned())));
        assert_eq!(make(&tenancy, &cx, new("admin")).await, Err(TenancyError::Reserved("admin".to_owned())));
        assert_eq!(make(&tenancy, &cx, new("a/b")).await, Err(TenancyError::Name));
        let nameless = NewRealm { display_name: " \u{7} ".to_owned(), ..new("other") };
        assert_eq!(make(&tenancy, &cx, nameless).await, Err(TenancyError::DisplayName));
        assert_eq!(tenancy.all().len(), 1);
    }

    async fn a_change_made_from_an_older_version_is_refused(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        let id = make(&tenancy, &cx, new("acme")).await.unwrap();
        let settings = RealmSettings::default().patched(&json!({ "tokens": { "access": "10m" } })).unwrap();
        let change = RealmChange { settings: Some(settings), ..RealmChange::default() };
        let changed = tenancy.update(&cx, id, 1, change.clone()).await.unwrap();
        assert_eq!((changed.version, changed.settings.tokens.access), (2, Duration::from_mins(10)));
        assert_eq!(tenancy.update(&cx, id, 1, change.clone()).await, Err(TenancyError::Changed));
        // A view that has not heard of the change is told at commit.
        let late = open(&scratch).await;
        tenancy.update(&cx, id, 2, RealmChange::default()).await.unwrap();
        assert_eq!(late.update(&cx, id, 2, change).await, Err(TenancyError::Changed));
        assert_eq!(late.by_id(id).unwrap().version, 3);
        assert_eq!(events(&cx, id).await, ["realm_created", "realm_updated", "realm_updated"]);
    }

    async fn a_disabled_realm_serves_nobody_and_main_stays(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        let (main, acme) = (make(&tenancy, &cx, new("main")).await.unwrap(), make(&tenancy, &cx, new("acme")).await.unwrap());
        let off = RealmChange { status: Some(RealmStatus::Disabled), ..RealmChange::default() };
        tenancy.update(&cx, acme, 1, off.clone()).await.unwrap();
        assert_eq!((tenancy.by_name("acme"), tenancy.by_id(acme)), (None, None));
        assert_eq!(tenancy.get(acme).unwrap().status, RealmStatus::Disabled);
        assert_eq!(tenancy.update(&cx, main, 1, off).await, Err(TenancyError::MainStays));
        assert_eq!(tenancy.update(&cx, scratch.id(), 1, RealmChange::default()).await, Err(TenancyError::NotFound));
    }

    async fn the_longest_token_life_only_grows(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        let id = make(&tenancy, &cx, new("acme")).await.unwrap();
        for (version, life) in [(1, "2h"), (2, "15m")] {
            let settings = RealmSettings::default().patched(&json!({ "tokens": { "access_longest": life } })).unwrap();
            let change = RealmChange { settings: Some(settings), ..RealmChange::default() };
            let realm = tenancy.update(&cx, id, version, change).await.unwrap();
            assert_eq!(realm.longest_token_life, Duration::from_hours(2));
        }
        assert_eq!(open(&scratch).await.by_id(id).unwrap().longest_token_life, Duration::from_hours(2));
    }

    async fn f18_a_damaged_row_is_named_and_the_view_stays_as_it_was(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        let id = make(&tenancy, &cx, new("acme")).await.unwrap();
        let mut unit = claviger_audit::quiet(&cx, "a test damages a row");
        unit.one("realm", &BREAK, args![id, "{\"tokens\":{\"access\":\"soon\"}}"]);
        cx.commit(unit).await.unwrap();
        let fault = tenancy.reload().await.unwrap_err();
        assert!(fault.reason().contains(&id.to_string()) && fault.reason().contains("tokens.access"), "{fault}");
        assert!(tenancy.by_id(id).is_some());
    }

    async fn a_view_of_many_pages_is_complete(scratch) {
        let (tenancy, cx) = (open(&scratch).await, context(&scratch));
        for number in 0..1_003 {
            let Draft { cx, unit, .. } = tenancy.draft(&cx, cx.id(), new(&format!("r{number}"))).unwrap();
            cx.commit(unit).await.unwrap();
        }
        tenancy.reload().await.unwrap();
        assert_eq!(tenancy.all().len(), 1_003);
        assert!((0..1_003).all(|number| tenancy.by_name(&format!("r{number}")).is_some()));
    }
}
