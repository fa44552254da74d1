//! From a migration's text to the statements of one engine. Pure.

use super::{Dialect, Tenancy};

/// A migration's text breaks the rules of [`super`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RenderError {
    /// The file's name has no number.
    #[error("the name must be NNNN_name")]
    Name,
    /// A placeholder is not known.
    #[error("line {0}: unknown placeholder {{{1}}}")]
    Placeholder(usize, String),
    /// A table does not say whose rows it holds.
    #[error("line {0}: write `-- tenant`, `-- tenant keyed` or `-- shared` above the create table")]
    Tenancy(usize),
    /// A tenancy line stands above something that is not a table.
    #[error("line {0}: this line belongs above a create table")]
    Stray(usize),
    /// A table ends in neither `{keyed}` nor `{table}`.
    #[error("line {0}: end the table in `) {{keyed}};` or `) {{table}};`")]
    Ending(usize),
    /// A marked block is opened twice, not opened, or not closed.
    #[error("line {0}: `-- only sqlite`, `-- only postgres` and `-- end` must pair")]
    Block(usize),
    /// The text ends within a statement.
    #[error("line {0}: the statement is not ended by a semicolon")]
    Unended(usize),
}

const SQLITE: &[(&str, &str)] = &[
    ("id", "blob"),
    ("bytes", "blob"),
    ("int", "integer"),
    ("bool", "integer"),
    ("text", "text"),
    ("time", "integer"),
    ("keyed", "strict, without rowid"),
    ("table", "strict"),
];

const POSTGRES: &[(&str, &str)] = &[
    ("id", "bytea"),
    ("bytes", "bytea"),
    ("int", "bigint"),
    ("bool", "boolean"),
    ("text", "text collate \"C\""),
    ("time", "bigint"),
    ("keyed", ""),
    ("table", ""),
];

type Rendered = (Vec<String>, Vec<(String, Tenancy)>);

struct Reader {
    dialect: Dialect,
    block: Option<Dialect>,
    tenancy: Option<Tenancy>,
    statement: String,
    rendered: Rendered,
}

pub(super) fn render(text: &str, dialect: Dialect) -> Result<Rendered, RenderError> {
    let mut reader =
        Reader { dialect, block: None, tenancy: None, statement: String::new(), rendered: Rendered::default() };
    for (line, number) in text.lines().zip(1..) {
        match line.trim().strip_prefix("--") {
            Some(comment) if reader.statement.is_empty() => reader.comment(comment.trim(), number)?,
            Some(_) => {}
            None => reader.code(line.trim_end(), number)?,
        }
    }
    let last = text.lines().count();
    match reader {
        Reader { block: Some(_), .. } => Err(RenderError::Block(last)),
        Reader { tenancy: Some(_), .. } => Err(RenderError::Stray(last)),
        Reader { statement, .. } if !statement.is_empty() => Err(RenderError::Unended(last)),
        Reader { rendered, .. } => Ok(rendered),
    }
}

impl Reader {
    fn comment(&mut self, comment: &str, line: usize) -> Result<(), RenderError> {
        let tenancy = match comment {
            "only sqlite" => return self.open(Dialect::Sqlite, line),
            "only postgres" => return self.open(Dialect::Postgres, line),
            "end" => return self.block.take().map(drop).ok_or(RenderError::Block(line)),
            "tenant" => Tenancy::Tenant,
            "tenant keyed" => Tenancy::TenantKeyed,
            "shared" => Tenancy::Shared,
            _ => return Ok(()),
        };
        match self.tenancy.replace(tenancy) {
            Some(_) => Err(RenderError::Stray(line)),
            None => Ok(()),
        }
    }

    fn open(&mut self, dialect: Dialect, line: usize) -> Result<(), RenderError> {
        match self.block.replace(dialect) {
            Some(_) => Err(RenderError::Block(line)),
            None => Ok(()),
        }
    }

    fn code(&mut self, code: &str, line: usize) -> Result<(), RenderError> {
        if code.is_empty() {
            return Ok(());
        }
        if !self.statement.is_empty() {
            self.statement.push('\n');
        }
        self.statement.push_str(code);
        if !code.ends_with(';') {
            return Ok(());
        }
        let statement = std::mem::take(&mut self.statement);
        let table = statement.strip_prefix("create table ").map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        });
        let tenancy = self.tenancy.take();
        let made = match (table, tenancy) {
            (Some(table), Some(tenancy)) => Some((table, tenancy)),
            (Some(_), None) => return Err(RenderError::Tenancy(line)),
            (None, Some(_)) => return Err(RenderError::Stray(line)),
            (None, None) => None,
        };
        if made.is_some() && !code.ends_with("{keyed};") && !code.ends_with("{table};") {
            return Err(RenderError::Ending(line));
        }
        let statement = self.filled(statement.trim_end_matches(';'), line)?;
        if self.block.is_none_or(|only| only == self.dialect) {
            self.rendered.0.push(statement);
            self.rendered.1.extend(made);
        }
        Ok(())
    }

    fn filled(&self, statement: &str, line: usize) -> Result<String, RenderError> {
        let words = match self.dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
        };
        let mut filled = String::with_capacity(statement.len());
        let mut rest = statement;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| RenderError::Placeholder(line, after.into()))?;
            let word = words.iter().find(|(known, _)| *known == name);
            let (_, word) = word.ok_or_else(|| RenderError::Placeholder(line, name.into()))?;
            filled.push_str(before);
            filled.push_str(word);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "-- About things.\n\n-- tenant keyed\ncreate table things (\n  id {id} not null,\n  \
        -- their name\n  name {text}, seen {time}, on_ {bool}, n {int}, b {bytes}\n) {keyed};\n\
        -- only postgres\ncreate index things_name on things (name);\n-- end\n";

    #[test]
    fn one_text_renders_for_each_engine() {
        let (statements, tables) = render(TEXT, Dialect::Sqlite).unwrap();
        assert_eq!(
            statements,
            [
                "create table things (\n  id blob not null,\n  name text, seen integer, on_ integer, n integer, b blob\n) \
                strict, without rowid"
            ]
        );
        assert_eq!(tables, [("things".to_owned(), Tenancy::TenantKeyed)]);
        let (statements, _) = render(TEXT, Dialect::Postgres).unwrap();
        assert_eq!(
            statements,
            [
                "create table things (\n  id bytea not null,\n  name text collate \"C\", seen bigint, on_ boolean, \
                    n bigint, b bytea\n)",
                "create index things_name on things (name)"
            ]
        );
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_line_even_in_the_other_engines_block() {
        for (text, error) in [
            ("create table t (\n  id {id}\n) {keyed};", RenderError::Tenancy(3)),
            ("-- only postgres\ncreate table t (id {id}) {keyed};\n-- end", RenderError::Tenancy(2)),
            ("-- tenant\ncreate index i on t (c);", RenderError::Stray(2)),
            ("-- tenant\n-- shared\ncreate table t (id {id}) {table};", RenderError::Stray(2)),
            ("-- shared", RenderError::Stray(1)),
            ("-- shared\ncreate table t (id {id});", RenderError::Ending(2)),
            ("create index i on t ({idd});", RenderError::Placeholder(1, "idd".into())),
            ("-- only sqlite\n-- only postgres", RenderError::Block(2)),
            ("-- only sqlite\ndrop table t;", RenderError::Block(2)),
            ("-- end", RenderError::Block(1)),
            ("create index i on t (c)", RenderError::Unended(1)),
        ] {
            assert_eq!(render(text, Dialect::Sqlite), Err(error), "{text}");
        }
    }
}
