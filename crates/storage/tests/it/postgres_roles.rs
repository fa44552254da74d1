//! Who may serve, who may migrate, and what is said where a role is not what it should be.

use claviger_kernel::Secret;
use claviger_storage::scratch::{Engine, Scratch, run};
use claviger_storage::{OpenError, PostgresOptions, RoleFault, Store, check_roles, roles_sql};
use tokio_postgres::Client;

async fn owner(scratch: &Scratch) -> Client {
    scratch.database().unwrap().owner().await.unwrap()
}

fn options(scratch: &Scratch) -> PostgresOptions {
    scratch.database().unwrap().options()
}

/// `url` as another user with the password `scratch`.
fn login(url: &Secret<String>, user: &str) -> Secret<String> {
    let rest = url.expose().split_once('@').unwrap().1;
    Secret::new(format!("postgres://{user}:scratch@{rest}"))
}

/// A login of this test alone, called after its database; gone with [`forget`].
async fn role(client: &Client, name: &str, attributes: &str) -> String {
    let database: String = client.query_one("select current_database()::text", &[]).await.unwrap().get(0);
    let role = format!("{database}_{name}");
    client.batch_execute(&format!("create role {role} login password 'scratch' {attributes}")).await.unwrap();
    role
}

async fn forget(client: &Client, roles: &[&str]) {
    for role in roles {
        client.batch_execute(&format!("drop owned by {role} cascade; drop role {role}")).await.unwrap();
    }
}

async fn refusal(options: PostgresOptions) -> String {
    match Store::open_postgres(options).await {
        Err(OpenError::Options(text)) => text,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[test]
fn the_roles_that_tests_run_as_are_as_they_must_be() {
    run(Engine::Postgres, async |scratch| {
        assert_eq!(check_roles(&options(&scratch)).await.unwrap(), []);
    });
}

#[test]
fn a_role_that_no_policy_binds_is_named_and_does_not_serve() {
    run(Engine::Postgres, async |scratch| {
        let client = owner(&scratch).await;
        let superuser = role(&client, "super", "superuser").await;
        let bypass = role(&client, "bypass", "bypassrls in role claviger_app").await;
        let owning = role(&client, "owning", "in role claviger_app").await;
        let both = role(&client, "both", "in role claviger_app, claviger_read").await;
        let stranger = role(&client, "stranger", "").await;
        for (user, expected) in [
            (&superuser, RoleFault::Superuser),
            (&bypass, RoleFault::BypassesPolicies),
            (&both, RoleFault::AlsoMember("claviger_read")),
            (&stranger, RoleFault::NotMember("claviger_app")),
        ] {
            let mut options = options(&scratch);
            options.url = login(&options.url, user);
            let found = check_roles(&options).await.unwrap();
            assert!(found.iter().any(|problem| problem.fault == expected), "{user}: {found:?}");
            assert!(
                found.iter().all(|problem| problem.setting == "database.url" && problem.role == *user),
                "{found:?}"
            );
            let text = refusal(options).await;
            assert!(text.starts_with(&format!("database.url logs in as {user}, ")), "{text}");
        }
        client.batch_execute(&format!("alter table realms owner to {owning}")).await.unwrap();
        let mut owned = options(&scratch);
        owned.url = login(&owned.url, &owning);
        let found = check_roles(&owned).await.unwrap();
        assert!(found.iter().any(|problem| problem.fault == RoleFault::Owner("realms".into())), "{found:?}");
        client.batch_execute("alter table realms owner to current_user").await.unwrap();
        let mut reading = options(&scratch);
        reading.read_url = Some(login(&reading.url, &superuser));
        let text = refusal(reading).await;
        assert!(text.starts_with(&format!("database.read_url logs in as {superuser}, a superuser")), "{text}");
        forget(&client, &[&superuser, &bypass, &owning, &both, &stranger]).await;
    });
}

#[test]
fn a_table_without_walls_and_a_reader_that_writes_are_found() {
    run(Engine::Postgres, async |scratch| {
        let client = owner(&scratch).await;
        client
            .batch_execute("create table open_house (id bytea); alter table open_house enable row level security")
            .await
            .unwrap();
        assert_eq!(check_roles(&options(&scratch)).await.unwrap(), []);
        client.batch_execute("alter table open_house disable row level security").await.unwrap();
        let found = check_roles(&options(&scratch)).await.unwrap();
        assert!(found.iter().all(|problem| problem.fault == RoleFault::OpenTable("open_house".into())), "{found:?}");
        assert_eq!(found.len(), 2, "seen from both roles");
        client
            .batch_execute(
                "alter table open_house enable row level security; grant insert on open_house to claviger_read",
            )
            .await
            .unwrap();
        let found = check_roles(&options(&scratch)).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].fault, RoleFault::Writes("open_house".into()));
        assert_eq!(found[0].setting, "database.read_url");
    });
}

#[test]
fn keyed_reads_are_never_run_as_the_application_role() {
    run(Engine::Postgres, async |scratch| {
        let mut options = options(&scratch);
        options.read_url = None;
        assert!(refusal(options.clone()).await.contains("database.read_url"));
        options.read_url = Some(options.url.clone());
        assert!(refusal(options).await.contains("no member of claviger_read"));
    });
}

#[test]
fn keyed_reads_from_another_database_than_the_units_are_refused() {
    run(Engine::Postgres, async |scratch| {
        let other = claviger_storage::scratch::store(Engine::Postgres).await;
        let mut mixed = options(&scratch);
        mixed.read_url = options(&other).read_url;
        let found = check_roles(&mixed).await.unwrap();
        assert!(found.iter().any(|problem| problem.fault == RoleFault::OtherDatabase), "{found:?}");
        assert!(refusal(mixed).await.ends_with("the database there is not that of database.url"));
    });
}

#[test]
fn the_printed_sql_makes_roles_that_migrate_and_serve() {
    run(Engine::Postgres, async |scratch| {
        let client = owner(&scratch).await;
        let database: String = client.query_one("select current_database()::text", &[]).await.unwrap().get(0);
        // Another name that the maker of scratch databases knows, so that nothing is left if this test dies.
        let fresh = format!("{database}9999");
        let sql = roles_sql(&fresh);
        let (before, after) = sql.split_once("create database").unwrap();
        let (create, after) = after.split_once(';').unwrap();
        let (granted, inside) = after.split_once("\\connect").unwrap();
        let passwords = |text: &str| {
            ["OWNER", "SERVER", "READER"]
                .iter()
                .fold(text.to_owned(), |text, who| text.replace(&format!("REPLACE-{who}-PASSWORD"), "scratch"))
        };
        client.batch_execute(&passwords(before)).await.unwrap();
        client.batch_execute(&format!("create database{create}")).await.unwrap();
        client.batch_execute(granted).await.unwrap();
        let url = |user: &str| {
            let url = login(&options(&scratch).url, &format!("{fresh}_{user}"));
            Secret::new(format!("{}/{fresh}", url.expose().rsplit_once('/').unwrap().0))
        };
        let inside = inside.split_once('\n').unwrap().1;
        let outside = scratch.database().unwrap().owner_of(&fresh).await.unwrap();
        outside.batch_execute(inside).await.unwrap();
        let options = PostgresOptions {
            url: url("server"),
            read_url: Some(url("reader")),
            migrate_url: None,
            writers: 2,
            readers: 1,
            notify: false,
        };
        let empty = Store::open_postgres(options.clone()).await.map(drop).unwrap_err();
        assert!(matches!(empty, OpenError::Older { found: 0, .. }), "{empty}");
        let mut migrating = options.clone();
        migrating.migrate_url = Some(url("owner"));
        // Several at once, as when nodes start together: one migrates, all serve.
        let opened = futures_util::future::join_all((0..3).map(|_| Store::open_postgres(migrating.clone()))).await;
        for store in opened {
            store.unwrap().close().await;
        }
        assert_eq!(check_roles(&options).await.unwrap(), []);
        Store::open_postgres(options).await.unwrap().close().await;
        outside.batch_execute("insert into schema_migrations values (9000, 'later', 1)").await.unwrap();
        let later = Store::open_postgres(migrating.clone()).await;
        assert!(matches!(later, Err(OpenError::Newer { found: 9000, .. })));
        outside.batch_execute("delete from schema_migrations where number = 9000; update schema_migrations set checksum = 0 where number = 2").await.unwrap();
        assert!(matches!(Store::open_postgres(migrating).await, Err(OpenError::Altered(2))));
        drop(outside);
        client.batch_execute(&format!("drop database {fresh} with (force)")).await.unwrap();
        for user in ["owner", "server", "reader"] {
            client.batch_execute(&format!("drop role {fresh}_{user}")).await.unwrap();
        }
    });
}
