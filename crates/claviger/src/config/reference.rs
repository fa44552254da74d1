//! The reference page of the book, made from the table.

use core::fmt::Write as _;

use super::{Form, SETTINGS, Setting};

const HEAD: &str = "# Configuration

<!-- Made from the table in crates/claviger/src/config/table.rs; change it there and run
     `UPDATE=1 cargo test -p claviger the_reference_page_is_current`. -->

A process is told what it needs by a TOML file (`--config FILE`, or `CLAVIGER_CONFIG`), by environment variables on top of
it, and by flags on top of those. A variable is named `CLAVIGER_` and the setting in capitals, with `__` for each dot:
`limits.header_timeout` is `CLAVIGER_LIMITS__HEADER_TIMEOUT`. Lengths of time are a whole number and a unit (`500ms`, `30s`,
`15m`, `12h`, `90d`).

A setting or a `CLAVIGER_` variable that does not exist stops the start and is named. Whatever a realm may differ in (lifetimes,
sign-up, password rules) is not configured here but set in the realm.

| Setting | Form | Default | Purpose |
|---|---|---|---|
";

/// The page as it must stand in `docs/book/src/configuration.md`.
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    for setting in SETTINGS {
        let default = match setting.default {
            Some("") => "empty".to_owned(),
            Some(text) => format!("`{text}`"),
            None => setting.without.to_owned(),
        };
        let place = if setting.in_file {
            String::new()
        } else {
            format!(" Not in the file: only as `{}`.", setting.variable())
        };
        writeln!(page, "| `{}` | {} | {default} | {}{place} |", setting.key, form(setting), setting.purpose)
            .expect("writing to a String");
    }
    page
}

fn form(setting: &Setting) -> String {
    match setting.form {
        Form::Text => "text".to_owned(),
        Form::Secret => "secret".to_owned(),
        Form::Socket => "address:port".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Networks => "list of networks".to_owned(),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Form::Switch => "`true` or `false`".to_owned(),
        Form::Count { unit, least, most } => format!("{unit}, {least} to {most}"),
        Form::Span => "length of time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src/configuration.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, reference_page()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == reference_page(), "run `UPDATE=1 cargo test -p claviger the_reference_page_is_current`");
    }

    #[test]
    fn every_setting_says_what_it_is_for() {
        for setting in SETTINGS {
            assert!(
                setting.purpose.ends_with('.') && setting.default.is_some() == setting.without.is_empty(),
                "{setting:?}"
            );
        }
    }
}
