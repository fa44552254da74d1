//! Plans, reduced to what matters: which rows each access looks at.

use core::fmt;

use crate::Sql;
use crate::scratch::Scratch;
use crate::sqlite::numbered;

/// One access to a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Read {
    /// As the engine puts it.
    line: String,
    /// The columns that limit it within an index.
    columns: Vec<String>,
}

impl Read {
    /// Limited by more than the tenant.
    pub(super) fn is_narrow(&self) -> bool {
        self.columns.iter().any(|column| column != "realm_id")
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Rows of any content in one realm, so that the planner has something to weigh: of an empty table it makes anything.
const FILL: &str = "do $$ declare one record; begin \
    for one in select c.oid, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns, \
        string_agg(case when a.attname = 'realm_id' then '''\\x00''::bytea' \
            when a.atttypid = 'bytea'::regtype then 'decode(md5(random()::text), ''hex'')' \
            when a.atttypid = 'boolean'::regtype then 'random() < 0.5' \
            when a.atttypid = 'text'::regtype then 'md5(random()::text)' \
            else '(random() * 1000000000)::bigint' end, ', ' order by a.attnum) as contents \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid \
        where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^(pg_|information_schema)' \
        and a.attnum > 0 and not a.attisdropped and a.attidentity = '' and a.attgenerated = '' group by c.oid \
    loop \
        execute format('insert into %s (%s) select %s from generate_series(1, 500) on conflict do nothing', \
            one.oid::regclass, one.columns, one.contents); \
    end loop; end $$; analyze";

/// A plan for any values, by index wherever there is one.
const SETTINGS: &str =
    "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_bitmapscan = off";

type Plan = Result<Vec<Read>, String>;

/// The plan of each statement, in their order.
pub(super) async fn all(scratch: &Scratch, statements: &[&'static Sql]) -> Vec<Plan> {
    match scratch.database() {
        None => {
            let raw = rusqlite::Connection::open(scratch.file().expect("SQLite has a file")).expect("it opens");
            statements.iter().map(|sql| sqlite(&raw, sql).map_err(|error| error.to_string())).collect()
        }
        Some(database) => {
            let client = database.owner().await.expect("the owner may enter");
            client.batch_execute(FILL).await.expect("every table takes rows of any content");
            client.batch_execute(SETTINGS).await.expect("the settings exist");
            let mut plans = Vec::with_capacity(statements.len());
            for sql in statements {
                plans.push(postgres(&client, sql).await.map_err(|error| {
                    error.as_db_error().map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
                }));
            }
            plans
        }
    }
}

fn sqlite(raw: &rusqlite::Connection, sql: &Sql) -> rusqlite::Result<Vec<Read>> {
    let mut explain = raw.prepare(&format!("explain query plan {}", numbered(sql.text)))?;
    let lines = explain.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.iter().filter_map(|line| sqlite_read(line, sql.text)).collect())
}

fn sqlite_read(line: &str, text: &str) -> Option<Read> {
    let read = |columns| Some(Read { line: line.to_owned(), columns });
    if let Some(scanned) = line.strip_prefix("SCAN ") {
        let name = scanned.split(' ').next().unwrap_or_default();
        return if name == "CONSTANT" || is_named_query(name, text) { None } else { read(vec![]) };
    }
    if line.contains(" AUTOMATIC ") {
        return read(vec![]);
    }
    let (_, limits) = line.strip_prefix("SEARCH ")?.split_once('(')?;
    read(words(limits.strip_suffix(')').unwrap_or(limits)))
}

/// Whether `name` is that of a `with` or a subquery, whose own reads have lines of their own.
fn is_named_query(name: &str, text: &str) -> bool {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    name.starts_with('(')
        || [format!("with {name} "), format!("recursive {name} "), format!(", {name} as (")]
            .iter()
            .any(|form| text.contains(form))
}

async fn postgres(client: &tokio_postgres::Client, sql: &Sql) -> Result<Vec<Read>, tokio_postgres::Error> {
    let count = client.prepare(sql.text).await?.params().len();
    let nulls = vec!["null"; count].join(", ");
    let values = if count == 0 { String::new() } else { format!("({nulls})") };
    client.batch_execute(&format!("prepare checked as {}", sql.text)).await?;
    let lines = client.simple_query(&format!("explain (costs off) execute checked{values}")).await;
    client.batch_execute("deallocate checked").await?;
    let lines: Vec<String> = lines?
        .iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect();
    Ok(postgres_reads(&lines))
}

fn postgres_reads(lines: &[String]) -> Vec<Read> {
    let mut reads: Vec<Read> = Vec::new();
    for line in lines {
        let line = line.trim().trim_start_matches("-> ").trim();
        if line.starts_with("Seq Scan on ") || line.starts_with("Index Scan ") || line.starts_with("Index Only Scan ") {
            reads.push(Read { line: line.to_owned(), columns: vec![] });
        } else if let (Some(limits), Some(read)) = (line.strip_prefix("Index Cond: "), reads.last_mut()) {
            read.columns = words(limits);
        }
    }
    reads
}

/// The columns that a condition names: what is neither a parameter, nor quoted, nor a type, nor a word of SQL.
fn words(condition: &str) -> Vec<String> {
    const OTHERS: &[&str] = &["and", "or", "row", "any", "null", "is", "not", "true", "false"];
    let unquoted: String = condition.split('\'').step_by(2).collect();
    let untyped: String = unquoted
        .split("::")
        .enumerate()
        .map(|(place, part)| {
            let from = if place == 0 {
                0
            } else {
                part.find(|letter: char| !letter.is_alphanumeric() && letter != ' ').unwrap_or(part.len())
            };
            &part[from..]
        })
        .collect();
    let word = |word: &&str| {
        word.starts_with(|letter: char| letter.is_ascii_alphabetic()) && !OTHERS.contains(&word.to_lowercase().as_str())
    };
    untyped
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '$')
        .filter(word)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrow(line: &str) -> Option<bool> {
        sqlite_read(line, "with recursive n (i) as (select 1), m as (select 2) select").map(|read| read.is_narrow())
    }

    #[test]
    fn a_sqlite_plan_is_narrow_if_an_index_limits_more_than_the_tenant() {
        for (line, expected) in [
            ("SEARCH users USING PRIMARY KEY (realm_id=? AND id=?)", Some(true)),
            ("SEARCH e USING INDEX emails_user (realm_id=? AND user_id>?)", Some(true)),
            ("SEARCH change_log USING INTEGER PRIMARY KEY (rowid>?)", Some(true)),
            ("SEARCH users USING PRIMARY KEY (realm_id=?)", Some(false)),
            ("SEARCH e USING AUTOMATIC COVERING INDEX (realm_id=? AND user_id=?)", Some(false)),
            ("SCAN users", Some(false)),
            ("SCAN users USING COVERING INDEX users_name", Some(false)),
            ("SCAN n", None),
            ("SCAN m", None),
            ("SCAN CONSTANT ROW", None),
            ("USE TEMP B-TREE FOR ORDER BY", None),
        ] {
            assert_eq!(narrow(line), expected, "{line}");
        }
    }

    #[test]
    fn a_postgresql_plan_is_narrow_if_its_index_condition_names_more_than_the_tenant() {
        let plan = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            postgres_reads(&lines).iter().map(Read::is_narrow).collect::<Vec<_>>()
        };
        for (lines, expected) in [
            (
                &["Index Scan using users_pkey on users", "  Index Cond: ((realm_id = $1) AND (id = $2))"][..],
                &[true][..],
            ),
            (
                &[
                    "Limit",
                    "  ->  Index Only Scan using a on b",
                    "        Index Cond: (realm_id = $1)",
                    "        Filter: (id = $2)",
                ],
                &[false],
            ),
            (&["Index Scan using a on b", "  Index Cond: ((realm_id = $1) AND (ROW(at, id) > ROW($2, $3)))"], &[true]),
            (&["Index Scan using a on b", "  Index Cond: ((realm_id = $1) AND (status = 'active'::text))"], &[true]),
            (&["Index Scan using a on b", "  Index Cond: (realm_id = ('\\x00'::bytea))"], &[false]),
            (&["Index Scan using a on b"], &[false]),
            (&["Seq Scan on b", "  Filter: (id = $1)"], &[false]),
            (&["Insert on b", "  ->  Result"], &[]),
        ] {
            assert_eq!(plan(lines), expected, "{lines:?}");
        }
    }
}
