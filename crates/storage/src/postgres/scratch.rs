//! Scratch databases on PostgreSQL: a template migrated once, copied for each test, reached as the restricted roles.
//!
//! One thread of the process holds a connection to the test cluster and makes and drops the copies, so that they outlive
//! the runtime of the test that asked for one. A copy bears the number of that connection's backend; whoever comes next
//! drops the copies of those that are gone.

use std::sync::OnceLock;

use claviger_kernel::Secret;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::address::{Address, Purpose};
use super::connection::Connection;
use super::{known, refused, roles, schema};
use crate::migrate::{Dialect, migration};
use crate::{OpenError, PostgresOptions};

/// The variable that holds the address of a test cluster, as its superuser.
pub(crate) const VARIABLE: &str = "CLAVIGER_TEST_POSTGRES";
/// Serialises the making of roles and templates across processes.
const LOCK: &str = "select pg_advisory_lock(6074811349055132841)";
const UNLOCK: &str = "select pg_advisory_unlock(6074811349055132841)";
/// The logins of tests: each a member of one group role and nothing else.
const LOGINS: &str = "do $$ begin \
    if to_regrole('claviger_scratch_server') is null then \
      create role claviger_scratch_server login password 'scratch' in role claviger_app; end if; \
    if to_regrole('claviger_scratch_reader') is null then \
      create role claviger_scratch_reader login password 'scratch' in role claviger_read; end if; \
    end $$;";

/// A database of one test. It is dropped with this value, connections and all.
#[derive(Debug)]
pub struct ScratchDatabase {
    name: String,
    owner: Address,
}

enum Wish {
    Make(oneshot::Sender<Result<ScratchDatabase, OpenError>>),
    Drop(String),
}

/// Makes a migrated database of its own for one test.
pub(crate) async fn database() -> Result<ScratchDatabase, OpenError> {
    let gone = || OpenError::Engine("the maker of scratch databases has ended".into());
    let (answer, made) = oneshot::channel();
    maker().send(Wish::Make(answer)).map_err(|_| gone())?;
    made.await.map_err(|_| gone())?
}

impl ScratchDatabase {
    /// How to open it as the two restricted roles.
    pub fn options(&self) -> PostgresOptions {
        let url = |user| Secret::new(self.owner.url(user, "scratch", &self.name));
        PostgresOptions {
            url: url("claviger_scratch_server"),
            read_url: Some(url("claviger_scratch_reader")),
            migrate_url: None,
            writers: 8,
            readers: 2,
            notify: true,
        }
    }

    /// A connection as the cluster's superuser, for what a test does behind the engine's back.
    pub async fn owner(&self) -> Result<tokio_postgres::Client, OpenError> {
        self.owner_of(&self.name).await
    }

    /// The same to another database of the cluster.
    pub async fn owner_of(&self, database: &str) -> Result<tokio_postgres::Client, OpenError> {
        let address = self.owner.database(database).limited(Purpose::Migrate);
        let (client, driver) =
            address.config().connect(tokio_postgres::NoTls).await.map_err(|e| refused(VARIABLE, &e))?;
        tokio::spawn(driver);
        Ok(client)
    }

    /// Adds the tables of `text`, a migration as those in `migrations/`, with their walls and without recording it.
    pub async fn extend(&self, text: &str) -> Result<(), OpenError> {
        let extra = migration("9999_scratch", text, Dialect::Postgres);
        let extra = extra.map_err(|error| OpenError::Options(format!("the extra tables: {error}")))?;
        let address = self.owner.database(&self.name).limited(Purpose::Migrate);
        let connection = Connection::spawned(&address).await.map_err(|error| refused(VARIABLE, &error))?;
        schema::make(&connection, &extra).await
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        // Best effort: if the maker is gone, the next one drops it.
        let _ = maker().send(Wish::Drop(core::mem::take(&mut self.name)));
    }
}

fn maker() -> &'static UnboundedSender<Wish> {
    static MAKER: OnceLock<UnboundedSender<Wish>> = OnceLock::new();
    MAKER.get_or_init(|| {
        let (wishes, take) = unbounded_channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime for the maker of scratch databases").block_on(make(take));
        });
        wishes
    })
}

async fn make(mut wishes: UnboundedReceiver<Wish>) {
    let mut cluster = None;
    let mut count = 0;
    while let Some(wish) = wishes.recv().await {
        match (wish, &cluster) {
            (Wish::Drop(name), Some(Cluster { connection, .. })) => {
                let _ =
                    connection.client().batch_execute(&format!("drop database if exists {name} with (force)")).await;
            }
            (Wish::Drop(_), None) => {}
            (Wish::Make(answer), _) => {
                count += 1;
                let _ = answer.send(one(&mut cluster, count).await);
            }
        }
    }
}

async fn one(cluster: &mut Option<Cluster>, count: u32) -> Result<ScratchDatabase, OpenError> {
    let cluster = match cluster {
        Some(cluster) => cluster,
        None => cluster.insert(Cluster::prepare().await?),
    };
    let name = format!("claviger_scratch_{}_{count}", cluster.backend);
    cluster.run(&format!("create database {name} template {}", cluster.template)).await?;
    Ok(ScratchDatabase { name, owner: cluster.owner.clone() })
}

struct Cluster {
    owner: Address,
    connection: Connection,
    backend: i32,
    template: String,
}

impl Cluster {
    async fn prepare() -> Result<Self, OpenError> {
        let url = std::env::var(VARIABLE).map_err(|_| {
            OpenError::Options(format!("{VARIABLE} is not set; `cargo xtask services` starts a cluster and prints it"))
        })?;
        let owner = Address::parse(VARIABLE, &Secret::new(url))?;
        let connection = Connection::spawned(&owner).await.map_err(|error| refused(VARIABLE, &error))?;
        let asked = connection.client().query_typed("select pg_backend_pid()", &[]).await;
        let backend = asked.map_err(|error| refused(VARIABLE, &error))?.first().map_or(0, |row| row.get(0));
        let template = format!("claviger_template_{:016x}", schema::fingerprint(&known()));
        let cluster = Self { owner, connection, backend, template };
        cluster.run(LOCK).await?;
        let ready = cluster.ready().await;
        cluster.run(UNLOCK).await?;
        ready.map(|()| cluster)
    }

    /// Roles and template, and nothing left of those who are gone. Runs under the lock.
    async fn ready(&self) -> Result<(), OpenError> {
        self.run("set application_name = 'claviger_scratch'").await?;
        self.run(roles::GROUPS).await?;
        self.run(LOGINS).await?;
        // Whoever bears the number of a backend that is gone, or of one before ours that had the same. The name is qualified:
        // `pg_stat_activity` has a `datname` too.
        let gone = |name: &str| {
            format!(
                "{name} ~ '^claviger_scratch_[0-9]+_' and (split_part({name}, '_', 3) = '{}' or not exists \
                (select 1 from pg_stat_activity a where a.application_name = 'claviger_scratch' \
                and a.pid::text = split_part({name}, '_', 3)))",
                self.backend
            )
        };
        let databases = format!(
            "select d.datname::text from pg_database d where {} or d.datname ~ '^claviger_building_' \
            or (d.datname ~ '^claviger_template_' and d.datname <> '{}' \
            and (pg_stat_file('base/' || d.oid || '/PG_VERSION')).modification < now() - interval '1 day')",
            gone("d.datname"),
            self.template
        );
        for name in self.names(&databases).await? {
            let _ = self.run(&format!("drop database if exists {name} with (force)")).await;
        }
        for name in self.names(&format!("select r.rolname::text from pg_roles r where {}", gone("r.rolname"))).await? {
            let _ = self.run(&format!("drop role if exists {name}")).await;
        }
        let template = &self.template;
        if self.names(&format!("select datname::text from pg_database where datname = '{template}'")).await?.is_empty()
        {
            // Under another name until it is whole: a process that dies here leaves no half template.
            let building = template.replace("template", "building");
            self.run(&format!(
                "create database {building} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"
            ))
            .await?;
            schema::migrate(&self.owner.database(&building).limited(Purpose::Migrate), known).await?;
            self.run(&format!("alter database {building} rename to {template}")).await?;
        }
        Ok(())
    }

    async fn run(&self, text: &str) -> Result<(), OpenError> {
        self.connection.client().batch_execute(text).await.map_err(|error| refused(VARIABLE, &error))
    }

    async fn names(&self, text: &str) -> Result<Vec<String>, OpenError> {
        let rows = self.connection.client().query_typed(text, &[]).await.map_err(|error| refused(VARIABLE, &error))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
