//! The second wall: row-level security, as the roles that the engine logs in as.

use claviger_kernel::RealmId;
use claviger_storage::scratch::{Engine, Scratch, run};
use claviger_storage::{CommitError, args, statements};
use futures_util::future::join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::stand_in::{ADD, EPOCHS, NAME, World};

statements! {
    /// Forgets the realm, as no statement may.
    pub(crate) EVERYBODY: "select name from people order by name limit 100";
    /// Forgets the realm and writes.
    pub(crate) RENAME_ALL: "update people set epoch = epoch + 1";
    /// How many statements the session has prepared.
    pub(crate) PREPARED: shared("the session's own") "select count(*) from pg_prepared_statements";
    /// A table that is closed to keyed reads.
    pub(crate) SECRET: "select word from vault where realm_id = $1 and id = $2";
    /// The same table.
    pub(crate) HIDE: "insert into vault (realm_id, id, word) values ($1, $2, $3)";
}

const MORE: &str = "
-- tenant
create table vault (realm_id {id} not null, id {id} not null, word {text} not null, primary key (realm_id, id)) {keyed};
-- shared
create table notices (id {id} not null primary key, word {text} not null) {keyed};
";

async fn connect(url: &claviger_kernel::Secret<String>) -> Client {
    let (client, driver) = tokio_postgres::connect(url.expose(), NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}

async fn app(scratch: &Scratch) -> Client {
    connect(&scratch.database().unwrap().options().url).await
}

async fn reader(scratch: &Scratch) -> Client {
    connect(scratch.database().unwrap().options().read_url.as_ref().unwrap()).await
}

fn pooled(url: &claviger_kernel::Secret<String>) -> claviger_kernel::Secret<String> {
    claviger_kernel::Secret::new(format!("{}?pooler=transaction", url.expose()))
}

fn hex(realm: RealmId) -> String {
    realm.as_bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

async fn enter(client: &Client, realm: RealmId) {
    client.batch_execute(&format!("begin; select set_config('claviger.realm', '{}', true)", hex(realm))).await.unwrap();
}

#[test]
fn the_application_role_neither_sees_nor_touches_rows_of_another_realm() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        world.person("theirs").await;
        let ours: RealmId = world.scratch.id();
        let client = app(&world.scratch).await;
        enter(&client, ours).await;
        let (mine, theirs) = (ours.as_bytes().as_slice(), world.realm.as_bytes().as_slice());
        let add = "insert into people (realm_id, id, name, present, epoch) values ($1, $2, 'ours', true, 1)";
        assert_eq!(client.execute(add, &[&mine, &mine]).await.unwrap(), 1, "its own realm is open");
        assert_eq!(client.query("select id from people where realm_id = $1", &[&theirs]).await.unwrap().len(), 0);
        assert_eq!(client.query("select id from people", &[]).await.unwrap().len(), 1);
        for text in [
            "update people set name = 'taken' where realm_id = $1",
            "delete from people where realm_id = $1",
            "update people set epoch = 9 where realm_id <> $1 and name = 'theirs'",
        ] {
            let key = if text.contains("<>") { &mine } else { &theirs };
            assert_eq!(client.execute(text, &[key]).await.unwrap(), 0, "{text}");
        }
        client.batch_execute("savepoint here").await.unwrap();
        for (text, key) in [(add, theirs), ("update people set realm_id = $1 where realm_id = $2", theirs)] {
            let refused = client.execute(text, &[&key, &mine]).await.unwrap_err();
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{text}");
            client.batch_execute("rollback to here").await.unwrap();
        }
        client.batch_execute("commit").await.unwrap();
        assert_eq!(
            world.scratch.store.list(world.realm, &EVERYBODY, args![], |row| row.get::<String>(0)).await.unwrap(),
            ["theirs"]
        );
    });
}

#[test]
fn without_a_tenant_the_application_role_writes_to_no_table_and_sees_no_row_of_a_realm() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        world.scratch.extend(MORE).await;
        world.person("a").await;
        let owner = world.scratch.database().unwrap().owner().await.unwrap();
        owner.batch_execute("insert into notices values ('\\x00', 'read me')").await.unwrap();
        let client = app(&world.scratch).await;
        assert_eq!(client.query("select id from people", &[]).await.unwrap().len(), 0);
        assert_eq!(
            client.query("select id from notices", &[]).await.unwrap().len(),
            1,
            "what belongs to no realm is open"
        );
        for text in [
            "update notices set word = 'gone'",
            "delete from notices",
            "update people set epoch = 9",
            "delete from people",
        ] {
            assert_eq!(client.execute(text, &[]).await.unwrap(), 0, "{text}");
        }
        let tables = "select c.relname::text, (select string_agg(quote_ident(attname), ', ') from pg_attribute \
            where attrelid = c.oid and attnum > 0 and attidentity = '') from pg_class c \
            where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace";
        let tables = owner.query(tables, &[]).await.unwrap();
        assert!(tables.len() > 15, "the migrations' tables are all there");
        for table in tables {
            let (table, columns): (String, String) = (table.get(0), table.get(1));
            // A row of nulls: security is asked before any other rule of the table.
            let nulls = columns.split(", ").map(|_| "null").collect::<Vec<_>>().join(", ");
            let text = format!("insert into {table} ({columns}) values ({nulls})");
            let refused = client.execute(&text, &[]).await.unwrap_err();
            let code = refused.code().cloned().unwrap();
            assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{table}: {refused}");
            assert!(client.execute(&format!("truncate {table}"), &[]).await.is_err(), "{table}");
        }
    });
}

#[test]
fn the_keyed_read_role_reads_the_named_tables_and_changes_none() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        world.scratch.extend(MORE).await;
        let person = world.person("a").await;
        let mut unit = world.unit();
        unit.one("hide", &HIDE, args![world.realm, person, "word"]);
        world.commit(unit).await.unwrap();
        let client = reader(&world.scratch).await;
        assert_eq!(client.query("select id from people", &[]).await.unwrap().len(), 1);
        let owner = world.scratch.database().unwrap().owner().await.unwrap();
        let tables =
            "select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace";
        for table in owner.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let texts =
                ["insert into {} default values", "delete from {}", "truncate {}", "select 1 from {} for share"];
            for text in texts.map(|text| text.replace("{}", &table)) {
                let refused = client.execute(&text, &[]).await.unwrap_err();
                assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{text}");
            }
        }
        for closed in ["vault", "audit_events"] {
            let refused = client.query(&format!("select 1 from {closed}"), &[]).await.unwrap_err();
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{closed}");
        }
        let read = world.scratch.store.get(&SECRET, args![world.realm, person], |row| row.get::<String>(0)).await;
        assert!(read.unwrap_err().reason().contains("SECRET"), "a keyed read of a closed table is named");
        let listed =
            world.scratch.store.list(world.realm, &SECRET, args![world.realm, person], |row| row.get::<String>(0));
        assert_eq!(listed.await.unwrap(), ["word"]);
    });
}

#[test]
fn the_tenant_of_one_transaction_is_not_there_in_the_next_on_the_same_connection() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let mut options = world.scratch.database().unwrap().options();
        options.writers = 1;
        let store = world.scratch.by_way_of(options).await;
        let realms: [RealmId; 4] = std::array::from_fn(|_| world.scratch.id());
        let add = |realm: RealmId, into: RealmId, name: &str| {
            let mut unit = world.scratch.unit(realm);
            unit.one("add", &ADD, args![into, world.scratch.id::<()>(), name]);
            unit
        };
        for realm in realms {
            store.commit(add(realm, realm, "one")).await.unwrap();
            assert_eq!(store.commit(add(realm, realm, "one")).await.unwrap_err(), CommitError::Conflict("add"));
        }
        for (realm, other) in realms.into_iter().zip(realms.into_iter().cycle().skip(1)) {
            let refused = store.commit(add(realm, other, "two")).await.unwrap_err();
            assert!(matches!(&refused, CommitError::Unavailable(why) if why.reason().contains("42501")), "{refused:?}");
            let mut unit = world.scratch.unit(realm);
            unit.one("all", &RENAME_ALL, args![]);
            store.commit(unit).await.unwrap();
        }
        let lists = (0..24).map(|n| {
            let realm = realms[n % realms.len()];
            store.list(realm, &EVERYBODY, args![], |row| row.get::<String>(0))
        });
        for page in join_all(lists).await {
            assert_eq!(page.unwrap(), ["one"]);
        }
    });
}

#[test]
fn everything_works_where_nothing_of_a_session_may_be_kept() {
    run(Engine::Postgres, async |scratch| {
        let world = World::on(scratch).await;
        let person = world.person("a").await;
        let mut options = world.scratch.database().unwrap().options();
        options.url = pooled(&options.url);
        options.read_url = options.read_url.as_ref().map(pooled);
        let store = world.scratch.by_way_of(options).await;
        let id = world.scratch.id::<()>();
        let mut unit = world.unit();
        unit.require("present", &super::stand_in::PRESENT, args![world.realm, person]);
        unit.one("add", &ADD, args![world.realm, id, "b"]);
        unit.changed("person", id.as_bytes());
        store.commit(unit).await.unwrap();
        let mut unit = world.unit();
        unit.one("add", &ADD, args![world.realm, world.scratch.id::<()>(), "b"]);
        assert_eq!(store.commit(unit).await.unwrap_err(), CommitError::Conflict("add"));
        assert_eq!(
            store.get(&NAME, args![world.realm, id], |row| row.get::<String>(0)).await.unwrap().as_deref(),
            Some("b")
        );
        assert_eq!(
            store.list(world.realm, &EPOCHS, args![world.realm, id], |row| row.get::<i64>(0)).await.unwrap(),
            [1]
        );
        // A pooler may hand any statement to any session: had one been prepared, another would not know it.
        let prepared = store.list(world.realm, &PREPARED, args![], |row| row.get::<i64>(0)).await.unwrap();
        assert_eq!(prepared, [0]);
    });
}
