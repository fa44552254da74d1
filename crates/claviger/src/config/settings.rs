//! The settings as the rest of the program sees them: typed, complete, in bounds.

use core::net::SocketAddr;
use std::path::PathBuf;

use claviger_http::base::{ForwardedHeader, Limits};
use claviger_kernel::Secret;
use ipnet::IpNet;
use serde::Deserialize;

use super::Span;

/// Everything that a process is told at its start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address under which the world reaches us; without it, `localhost` and the port of a loopback listener.
    pub public_url: Option<String>,
    /// The public listener.
    pub listen: SocketAddr,
    /// The internal listener.
    pub internal_listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// The database.
    pub database: DatabaseSettings,
    /// Short-lived state.
    pub ephemeral: EphemeralSettings,
    /// The master key.
    pub keys: KeySettings,
    /// The proxies in front.
    pub proxies: ProxySettings,
    /// What a request may cost.
    pub limits: LimitSettings,
    /// How passwords are hashed.
    pub password: PasswordHashing,
    /// The log.
    pub log: LogSettings,
}

/// The database; SQLite in the data folder where there is no address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The application role.
    pub url: Option<Secret<String>>,
    /// The keyed-read role.
    pub read_url: Option<Secret<String>>,
    /// The owner.
    pub migrate_url: Option<Secret<String>>,
    /// Connections that run units.
    pub writers: usize,
    /// Connections that serve reads.
    pub readers: usize,
    /// Whether nodes tell each other of changes.
    pub notify: bool,
}

/// Short-lived state; in the database where there is no address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EphemeralSettings {
    /// The Redis or Valkey.
    pub url: Option<Secret<String>>,
}

/// Where the master key is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Its file; `master.key` in the data folder where absent.
    pub master_key_file: Option<PathBuf>,
    /// The key itself.
    pub master_key: Option<Secret<String>>,
    /// The other one of the two while it changes.
    pub other_master_key: Option<Secret<String>>,
}

/// The proxies in front.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxySettings {
    /// Their networks.
    pub trusted: Vec<IpNet>,
    /// The header that they write.
    pub header: ForwardedHeader,
}

/// What a request may cost, as [`Limits`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields of Limits, which explains them")]
pub struct LimitSettings {
    pub header_bytes: usize,
    pub header_lines: usize,
    pub form_bytes: usize,
    pub json_bytes: usize,
    pub header_timeout: Span,
    pub request_timeout: Span,
    pub idle_timeout: Span,
    pub drain_timeout: Span,
    pub connections: usize,
    pub streams: u32,
}

impl LimitSettings {
    /// The bounds of a listener.
    pub fn limits(&self) -> Limits {
        Limits {
            header_bytes: self.header_bytes,
            header_lines: self.header_lines,
            form_bytes: self.form_bytes,
            json_bytes: self.json_bytes,
            header_timeout: self.header_timeout.get(),
            request_timeout: self.request_timeout.get(),
            idle_timeout: self.idle_timeout.get(),
            drain_timeout: self.drain_timeout.get(),
            connections: self.connections,
            streams: self.streams,
            ..Limits::default()
        }
    }
}

/// How new passwords are hashed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordHashing {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Who computes.
    pub implementation: HashImplementation,
}

/// Which implementation of Argon2id computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashImplementation {
    /// The fast one, checked against the reference at every start.
    Fast,
    /// The reference.
    Reference,
}

/// The log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// How lines read.
    pub format: LogFormat,
    /// The least grave events that are logged: a level's name.
    pub level: String,
}

/// How log lines read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
