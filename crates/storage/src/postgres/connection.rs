//! One connection: the client, the statements prepared on it, and the task that drives its socket.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::TryStreamExt as _;
use parking_lot::RwLock;
use tokio::sync::Notify;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Error, NoTls, Socket, Statement};

use super::address::Address;
use super::bind::type_of;
use crate::{Sql, Value};

/// The half of a connection that moves bytes.
pub(super) type Driver = tokio_postgres::Connection<Socket, NoTlsStream>;

/// How a statement's text is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Form {
    /// As written.
    Plain,
    /// With `for share`, so that what it found stays until the transaction ends.
    Shared,
}

impl Form {
    /// The text as sent.
    pub(super) fn text(self, sql: &Sql) -> String {
        match self {
            Self::Plain => sql.text.to_owned(),
            Self::Shared => format!("{} for share", sql.text),
        }
    }
}

/// What came back of one statement.
pub(super) struct Answer {
    /// Its rows, if they were asked for.
    pub(super) rows: Vec<tokio_postgres::Row>,
    /// How many rows it touched or found.
    pub(super) touched: u64,
}

/// A connection. Statements that are started together travel together.
pub(super) struct Connection {
    client: Client,
    pooled: bool,
    prepared: RwLock<HashMap<(usize, Form), Statement>>,
    answered: AtomicU64,
    abandon: Notify,
}

impl Connection {
    /// Connects; the caller sees to it that the driver is polled.
    pub(super) async fn open(address: &Address) -> Result<(Self, Driver), Error> {
        let (client, driver) = address.config().connect(NoTls).await?;
        let prepared = RwLock::default();
        let answered = AtomicU64::new(0);
        Ok((Self { client, pooled: address.pooled(), prepared, answered, abandon: Notify::new() }, driver))
    }

    /// Connects and drives the connection in a task of its own, which ends with the connection.
    pub(super) async fn spawned(address: &Address) -> Result<Self, Error> {
        let (connection, driver) = Self::open(address).await?;
        Ok(connection.driven(driver))
    }

    /// Drives the connection in a task of its own.
    pub(super) fn driven(self, driver: Driver) -> Self {
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a database connection ended");
            }
        });
        self
    }

    /// The client underneath, for statements that are no [`Sql`].
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether a transaction pooler stands in between.
    pub(super) const fn pooled(&self) -> bool {
        self.pooled
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// How many answers have come in; a connection on which this stands still is suspect.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Tells whoever drives the connection that it is of no more use.
    pub(super) fn abandon(&self) {
        self.abandon.notify_one();
    }

    /// Completes once the connection has been abandoned.
    pub(super) async fn abandoned(&self) {
        self.abandon.notified().await;
    }

    /// Whether `sql` can be sent without asking the server about it first.
    pub(super) fn knows(&self, sql: &'static Sql, form: Form) -> bool {
        self.pooled || self.prepared.read().contains_key(&(address_of(sql), form))
    }

    /// Prepares `sql` unless that was done before, or nothing may be prepared here.
    pub(super) async fn prepare(&self, sql: &'static Sql, form: Form) -> Result<(), Error> {
        if self.knows(sql, form) {
            return Ok(());
        }
        let statement = self.client.prepare(&form.text(sql)).await?;
        self.prepared.write().entry((address_of(sql), form)).or_insert(statement);
        Ok(())
    }

    /// Runs one statement and reads its answer to the end; keeps the rows if `keep`.
    ///
    /// The request leaves at the first poll, provided that the statement is known.
    pub(super) async fn run(&self, sql: &'static Sql, form: Form, args: &[Value], keep: bool) -> Result<Answer, Error> {
        let stream = if self.pooled {
            let typed = args.iter().map(|value| (value, type_of(value)));
            match form {
                Form::Plain => self.client.query_typed_raw(sql.text, typed).await?,
                Form::Shared => self.client.query_typed_raw(&form.text(sql), typed).await?,
            }
        } else {
            self.prepare(sql, form).await?;
            let statement = self.prepared.read().get(&(address_of(sql), form)).cloned();
            let statement = statement.expect("the statement was prepared a line ago and none is ever taken out");
            self.client.query_raw(&statement, args).await?
        };
        let mut stream = pin!(stream);
        let (mut rows, mut found) = (Vec::new(), 0);
        while let Some(row) = stream.try_next().await? {
            found += 1;
            if keep {
                rows.push(row);
            }
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        let touched = stream.rows_affected().unwrap_or(found);
        Ok(Answer { rows, touched })
    }
}

/// A statement is a static: its address is its name.
fn address_of(sql: &'static Sql) -> usize {
    core::ptr::from_ref(sql).addr()
}
