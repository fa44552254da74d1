//! The table of settings: the one place that says what may be configured.

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// Text that is not printed.
    Secret,
    /// `address:port`; port 0 picks a free one.
    Socket,
    /// A path; a relative one starts at the working directory.
    Path,
    /// Networks such as `10.0.0.0/8`; in a variable separated by commas.
    Networks,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number of `unit`, from `least` to `most`.
    Count {
        /// What is counted.
        unit: &'static str,
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// A length of time such as `15m`.
    Span,
    /// True or false.
    Switch,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, with dots between its parts.
    pub key: &'static str,
    /// The form of its value.
    pub form: Form,
    /// The default as it would be written in a variable, if there is one.
    pub default: Option<&'static str>,
    /// What follows where there is no default.
    pub without: &'static str,
    /// Whether it may stand in the file.
    pub in_file: bool,
    /// What it is for.
    pub purpose: &'static str,
}

impl Setting {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("CLAVIGER_{}", self.key.replace('.', "__").to_uppercase())
    }
}

const fn setting(key: &'static str, form: Form, default: &'static str, purpose: &'static str) -> Setting {
    Setting { key, form, default: Some(default), without: "", in_file: true, purpose }
}

const fn optional(key: &'static str, form: Form, without: &'static str, purpose: &'static str) -> Setting {
    Setting { key, form, default: None, without, in_file: true, purpose }
}

const fn bytes(least: i64, most: i64) -> Form {
    Form::Count { unit: "bytes", least, most }
}

const fn count(unit: &'static str, least: i64, most: i64) -> Form {
    Form::Count { unit, least, most }
}

/// Every setting, in the order of the reference page.
pub const SETTINGS: &[Setting] = &[
    optional(
        "public_url",
        Form::Text,
        "`http://localhost:PORT` while `listen` is a loopback address; needed otherwise",
        "The address under which browsers and applications reach the server: scheme, host and, where it is not the usual \
         one, port. It is the issuer of the realm `main`, and requests that name another host are refused. Must be https; \
         http is for loopback hosts.",
    ),
    setting("listen", Form::Socket, "127.0.0.1:8080", "Where the public listener is bound."),
    setting(
        "internal_listen",
        Form::Socket,
        "127.0.0.1:8081",
        "Where the internal listener (health) is bound. Keep it away from the outside.",
    ),
    setting(
        "data",
        Form::Path,
        "claviger-data",
        "The data folder: the SQLite database where no `database.url` is given, the master key, the operator's socket.",
    ),
    optional(
        "database.url",
        Form::Secret,
        "SQLite in the data folder",
        "The PostgreSQL database as the application role: `postgres://user:password@host:port/name`.",
    ),
    optional(
        "database.read_url",
        Form::Secret,
        "needed where `database.url` is given",
        "The same database as the role for keyed reads.",
    ),
    optional(
        "database.migrate_url",
        Form::Secret,
        "the schema must be current already",
        "The same database as its owner, for migrations at the start.",
    ),
    setting(
        "database.writers",
        count("connections", 1, 1000),
        "8",
        "Connections that run units on PostgreSQL. SQLite has one writer.",
    ),
    setting("database.readers", count("connections", 1, 1000), "4", "Connections that serve reads."),
    setting(
        "database.notify",
        Form::Switch,
        "true",
        "Whether nodes on PostgreSQL tell each other of changes (LISTEN and NOTIFY). Without it, and behind a transaction \
         pooler, a change is seen at the next look at the change log, half a second later at most.",
    ),
    optional(
        "ephemeral.url",
        Form::Secret,
        "short-lived state is kept in the database",
        "The Redis or Valkey for short-lived state: `redis://user:password@host:port/number`. The database stands in \
         while it does not answer.",
    ),
    optional(
        "keys.master_key_file",
        Form::Path,
        "`master.key` in the data folder",
        "The file of the master key, readable by its owner alone. Made at the first start over an empty store.",
    ),
    Setting {
        key: "keys.master_key",
        form: Form::Secret,
        default: None,
        without: "the file is read",
        in_file: false,
        purpose: "The master key itself, instead of the file.",
    },
    Setting {
        key: "keys.other_master_key",
        form: Form::Secret,
        default: None,
        without: "no change of the master key is under way",
        in_file: false,
        purpose: "While the master key changes: the next one before the change, the old one until it is finished.",
    },
    setting(
        "proxies.trusted",
        Form::Networks,
        "",
        "Networks of the proxies in front, whose word about the client's address is taken.",
    ),
    setting(
        "proxies.header",
        Form::Choice(&["x-forwarded-for", "forwarded"]),
        "x-forwarded-for",
        "The header in which they say it; the other one is ignored. One that cannot be read is answered 400.",
    ),
    setting("limits.header_bytes", bytes(8192, 1_048_576), "32768", "The head of a request; more is answered 431."),
    setting("limits.header_lines", count("lines", 16, 1000), "100", "Header lines of a request; more is answered 431."),
    setting("limits.form_bytes", bytes(1024, 16_777_216), "65536", "A form; more is answered 413."),
    setting("limits.json_bytes", bytes(1024, 67_108_864), "262144", "A JSON body; more is answered 413."),
    setting("limits.header_timeout", Form::Span, "10s", "From the first byte of a head to its last."),
    setting("limits.request_timeout", Form::Span, "30s", "For the body to arrive, and for the answer to be made."),
    setting("limits.idle_timeout", Form::Span, "75s", "How long a connection may wait for its next request."),
    setting("limits.drain_timeout", Form::Span, "30s", "How long running requests may go on after SIGTERM."),
    setting(
        "limits.connections",
        count("connections", 1, 1_000_000),
        "10000",
        "Open connections; fewer where the system allows fewer open files. More wait in the system's queue.",
    ),
    setting("limits.streams", count("streams", 1, 10_000), "100", "Requests at once on one HTTP/2 connection."),
    setting(
        "password.memory_kib",
        count("KiB", 7168, 262_144),
        "19456",
        "Argon2id: memory of one hash. Raising it rehashes each password at its next use.",
    ),
    setting("password.iterations", count("passes", 1, 100), "2", "Argon2id: passes over the memory."),
    setting(
        "password.implementation",
        Form::Choice(&["fast", "reference"]),
        "fast",
        "Which implementation computes: `fast` is checked against `reference` at every start; `reference` is for a machine \
         on which that check fails.",
    ),
    setting("log.format", Form::Choice(&["text", "json"]), "text", "How log lines read. They go to standard error."),
    setting(
        "log.level",
        Form::Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "The least grave events that are logged.",
    ),
];
