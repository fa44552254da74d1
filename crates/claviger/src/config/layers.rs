//! Laying the layers on each other: defaults, file, environment, flags; the last one that names a setting wins.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::{ConfigError, Form, Origin, SETTINGS, Setting, Settings, Span};

/// Variables that are the command line's own and no settings.
const COMMAND_VARIABLES: &[&str] = &["CLAVIGER_CONFIG"];

/// A setting given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as typed, such as `--listen`.
    pub name: &'static str,
    /// The setting's key.
    pub key: &'static str,
    /// The value as typed.
    pub value: String,
}

type Chosen = BTreeMap<&'static str, (Value, Origin)>;

/// Reads the settings of a process.
///
/// `variables` is the whole environment; only names that begin with `CLAVIGER_` are looked at.
///
/// # Errors
/// [`ConfigError`] names the first thing that is wrong.
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    flags: impl IntoIterator<Item = Flag>,
) -> Result<Settings, ConfigError> {
    let mut chosen = defaults();
    if let Some(path) = file {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { file: name.clone(), reason: error.to_string() })?;
        read_file(&name, &text, &mut chosen)?;
    }
    let mut variables: Vec<_> = variables.into_iter().filter(|(name, _)| name.starts_with("CLAVIGER_")).collect();
    variables.sort();
    for (name, value) in variables.into_iter().filter(|(name, _)| !COMMAND_VARIABLES.contains(&name.as_str())) {
        let setting = SETTINGS.iter().find(|setting| setting.variable() == name).ok_or_else(|| {
            let nearest = nearest(&name, SETTINGS.iter().map(Setting::variable));
            ConfigError::UnknownVariable { name: name.clone(), nearest }
        })?;
        put(setting, spelled(setting, &value), Origin::Variable(name), &mut chosen)?;
    }
    for flag in flags {
        let setting = SETTINGS.iter().find(|setting| setting.key == flag.key).expect("flags set settings that exist");
        put(setting, spelled(setting, &flag.value), Origin::Flag(flag.name), &mut chosen)?;
    }
    typed(&chosen)
}

/// The settings of a file's text alone, over the defaults.
pub(super) fn from_text(name: &str, text: &str) -> Result<Settings, ConfigError> {
    let mut chosen = defaults();
    read_file(name, text, &mut chosen)?;
    typed(&chosen)
}

fn defaults() -> Chosen {
    let given = SETTINGS.iter().filter_map(|setting| setting.default.map(|text| (setting, text)));
    given.map(|(setting, text)| (setting.key, (spelled(setting, text), Origin::Default))).collect()
}

fn read_file(name: &str, text: &str, chosen: &mut Chosen) -> Result<(), ConfigError> {
    // The parser's own text quotes the line, and with it perhaps a password: only its message and place are shown.
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let place = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.get(..place).unwrap_or(text).matches('\n').count();
        ConfigError::Syntax { file: name.to_owned(), line, problem: error.message().to_owned() }
    })?;
    walk("", table, &Origin::File(name.to_owned()), chosen)
}

fn walk(above: &str, table: Table, origin: &Origin, chosen: &mut Chosen) -> Result<(), ConfigError> {
    for (part, value) in table {
        let key = if above.is_empty() { part } else { format!("{above}.{part}") };
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
            if !setting.in_file {
                let variable = setting.variable();
                return Err(ConfigError::Misplaced { key, origin: origin.clone(), variable });
            }
            put(setting, value, origin.clone(), chosen)?;
            continue;
        }
        let is_group =
            SETTINGS.iter().any(|setting| setting.key.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')));
        match value {
            Value::Table(inner) if is_group => walk(&key, inner, origin, chosen)?,
            _ if is_group => {
                let problem = format!("expected a group of settings, written [{key}]");
                return Err(ConfigError::Value { key, origin: origin.clone(), problem });
            }
            _ => {
                let nearest = nearest(&key, SETTINGS.iter().map(|setting| setting.key.to_owned()));
                return Err(ConfigError::Unknown { key, origin: origin.clone(), nearest });
            }
        }
    }
    Ok(())
}

/// A value as a variable or a flag spells it. One that cannot be read stays text and is refused with its setting's form.
fn spelled(setting: &Setting, text: &str) -> Value {
    match setting.form {
        Form::Count { .. } => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
        Form::Switch => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
        Form::Networks => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    }
}

fn put(setting: &'static Setting, value: Value, origin: Origin, chosen: &mut Chosen) -> Result<(), ConfigError> {
    if let Err(problem) = fits(setting.form, &value) {
        return Err(ConfigError::Value { key: setting.key.to_owned(), origin, problem });
    }
    chosen.insert(setting.key, (value, origin));
    Ok(())
}

/// Whether a value has the form of its setting; if not, what it must be.
fn fits(form: Form, value: &Value) -> Result<(), String> {
    let text = || value.as_str().ok_or_else(|| "expected a text in quotes".to_owned());
    let ok = |good: bool, problem: &str| if good { Ok(()) } else { Err(problem.to_owned()) };
    match form {
        Form::Text | Form::Secret | Form::Path => ok(!text()?.is_empty(), "must not be empty; leave it out instead"),
        Form::Socket => ok(
            text()?.parse::<core::net::SocketAddr>().is_ok(),
            "expected an address and a port, such as 127.0.0.1:8080",
        ),
        Form::Span => text()?.parse::<Span>().map(|_| ()).map_err(str::to_owned),
        Form::Choice(words) => ok(words.contains(&text()?), &format!("expected one of {}", words.join(", "))),
        Form::Switch => ok(value.is_bool(), "expected true or false"),
        Form::Count { unit, least, most } => {
            let within = value.as_integer().is_some_and(|number| (least..=most).contains(&number));
            ok(within, &format!("expected a whole number of {unit} from {least} to {most}"))
        }
        Form::Networks => {
            let network = |item: &Value| item.as_str().is_some_and(|text| text.parse::<ipnet::IpNet>().is_ok());
            let good = value.as_array().is_some_and(|items| items.iter().all(network));
            ok(good, "expected a list of networks, such as [\"10.0.0.0/8\"]")
        }
    }
}

fn typed(chosen: &Chosen) -> Result<Settings, ConfigError> {
    let mut root = Table::new();
    for (key, (value, _)) in chosen {
        let (groups, name) = key.rsplit_once('.').map_or((None, *key), |(groups, name)| (Some(groups), name));
        let table = groups.into_iter().flat_map(|groups| groups.split('.')).fold(&mut root, |table, group| {
            let inner = table.entry(group).or_insert_with(|| Value::Table(Table::new()));
            inner.as_table_mut().expect("no setting is also a group")
        });
        table.insert(name.to_owned(), value.clone());
    }
    for optional in ["ephemeral", "keys"] {
        root.entry(optional).or_insert_with(|| Value::Table(Table::new()));
    }
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(root, &mut track);
    Settings::deserialize(tracked).map_err(|error: toml::de::Error| {
        let key = track.path().to_string();
        let (secret, origin) =
            chosen.get(key.as_str()).map_or((true, Origin::Default), |(_, origin)| (false, origin.clone()));
        let problem = if secret { "cannot be read".to_owned() } else { error.message().to_owned() };
        ConfigError::Value { key, origin, problem }
    })
}

/// The known name that is fewest edits away, if it is near enough to have been meant.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let near = known.map(|known| (edits(name, &known), known)).min()?;
    (near.0 <= 2 + name.len() / 5).then_some(near.1)
}

fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], above + 1);
        for (place, other) in right.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = change.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        from_text("claviger.toml", text).map_err(|error| error.to_string())
    }

    fn from_environment(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(None, pairs, []).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_gives_the_defaults_of_the_table() {
        let settings = read("").unwrap();
        assert_eq!(settings.limits.limits(), claviger_http::base::Limits::default());
        assert!(
            settings.proxies.trusted.is_empty() && settings.public_url.is_none() && settings.database.url.is_none()
        );
    }

    #[test]
    fn f19_an_unknown_key_is_named_and_the_nearest_one_suggested() {
        let table = [
            ("listne = 'x'", "unknown setting listne in claviger.toml; did you mean listen?"),
            (
                "[limits]\nheader_byte = 1",
                "unknown setting limits.header_byte in claviger.toml; did you mean limits.header_bytes?",
            ),
            ("[kubernetes]\nx = 1", "unknown setting kubernetes in claviger.toml"),
            ("limits = 3", "limits (in claviger.toml): expected a group of settings, written [limits]"),
            ("[listen]\nport = 1", "listen (in claviger.toml): expected a text in quotes"),
        ];
        for (text, message) in table {
            assert_eq!(read(text).unwrap_err(), message);
        }
        assert_eq!(
            from_environment(&[("CLAVIGER_LISTNE", "x")]).unwrap_err(),
            "unknown environment variable CLAVIGER_LISTNE; did you mean CLAVIGER_LISTEN?"
        );
    }

    #[test]
    fn a_value_of_the_wrong_form_is_named_and_not_repeated() {
        let table = [
            ("listen = 'hunter2'", "listen (in claviger.toml): expected an address and a port, such as 127.0.0.1:8080"),
            ("limits.header_timeout = 'hunter2'", "expected a whole number and one of ms, s, m, h, d, such as 15m"),
            ("limits.connections = 0", "expected a whole number of connections from 1 to 1000000"),
            ("limits.connections = 'hunter2'", "expected a whole number of connections from 1 to 1000000"),
            ("log.level = 'hunter2'", "expected one of error, warn, info, debug, trace"),
            ("proxies.trusted = ['hunter2']", "expected a list of networks"),
            ("database.url = 7", "database.url (in claviger.toml): expected a text in quotes"),
            ("data = ''", "data (in claviger.toml): must not be empty"),
            ("x = 'hunter2", "claviger.toml, line 1: "),
            ("\n\nlisten = hunter2", "claviger.toml, line 3: "),
        ];
        for (text, message) in table {
            let error = read(text).unwrap_err();
            assert!(error.contains(message) && !error.contains("hunter2"), "{error}");
        }
        let error = from_environment(&[("CLAVIGER_LIMITS__STREAMS", "many")]).unwrap_err();
        assert!(
            error.starts_with("limits.streams (from the environment variable CLAVIGER_LIMITS__STREAMS)"),
            "{error}"
        );
    }

    #[test]
    fn the_environment_lies_over_the_file_and_flags_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claviger.toml");
        std::fs::write(&path, "listen = '127.0.0.1:1'\ninternal_listen = '127.0.0.1:1'\ndata = 'one'\n").unwrap();
        let variables =
            [("CLAVIGER_LISTEN", "127.0.0.1:2"), ("CLAVIGER_DATA", "two"), ("PATH", "/bin"), ("CLAVIGER_CONFIG", "x")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let flag = Flag { name: "--data", key: "data", value: "three".to_owned() };
        let settings = load(Some(&path), variables, [flag]).unwrap();
        assert_eq!((settings.internal_listen.port(), settings.listen.port()), (1, 2));
        assert_eq!(settings.data, Path::new("three"));
    }

    #[test]
    fn lists_and_numbers_are_read_from_variables() {
        let settings = from_environment(&[
            ("CLAVIGER_PROXIES__TRUSTED", "10.0.0.0/8, fd00::/8"),
            ("CLAVIGER_PASSWORD__MEMORY_KIB", "65536"),
            ("CLAVIGER_DATABASE__URL", "postgres://app:hunter2@db/claviger"),
        ])
        .unwrap();
        assert_eq!((settings.proxies.trusted.len(), settings.password.memory_kib), (2, 65_536));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn the_master_key_does_not_stand_in_the_file() {
        let error = read("[keys]\nmaster_key = 'cvmk_hunter2'").unwrap_err();
        assert!(error.contains("CLAVIGER_KEYS__MASTER_KEY") && !error.contains("hunter2"), "{error}");
        let settings = from_environment(&[("CLAVIGER_KEYS__MASTER_KEY", "cvmk_x")]).unwrap();
        assert!(settings.keys.master_key.is_some());
    }

    #[test]
    fn every_setting_reaches_the_program() {
        // A setting whose field were missing would be refused as unknown; a field without a setting, as missing.
        for setting in SETTINGS {
            let text = match setting.form {
                Form::Socket => "127.0.0.1:1".to_owned(),
                Form::Count { least, .. } => least.to_string(),
                Form::Span => "1s".to_owned(),
                Form::Switch => "true".to_owned(),
                Form::Networks => "10.0.0.0/8".to_owned(),
                Form::Choice(words) => words[0].to_owned(),
                Form::Text | Form::Secret | Form::Path => "x".to_owned(),
            };
            from_environment(&[(&setting.variable(), &text)]).unwrap();
        }
    }
}
