//! What the planner must know: a realm is no constraint worth the name.
//!
//! Without statistics SQLite takes each column of a key for equally telling, and then prefers `(realm_id, id)`, of which
//! it can use the first column, to an index of which it could use both: it would read the whole realm. The figures here
//! are those of one large realm; they are written once for each schema, and nothing measures or changes them afterwards,
//! so plans are the same on every machine.

use rusqlite::Connection;

/// Rows of a table, and of a partial index.
const ROWS: u32 = 1_000_000;
const ROWS_OF_PART: u32 = 10_000;
/// Rows that share a value beyond the tenant.
const ALIKE: u32 = 10;

/// Writes the statistics of every index and has the planner read them.
pub(super) fn write(connection: &Connection) -> rusqlite::Result<()> {
    // Makes the table of statistics, which no statement can make by name; the limit keeps it from reading the rows.
    connection
        .execute_batch("pragma analysis_limit = 1; analyze; delete from sqlite_stat1; pragma analysis_limit = 0")?;
    let mut indexes = connection.prepare(
        "select t.name, i.name, i.\"unique\", i.partial, \
            (select group_concat(c.name, ' ') from pragma_index_info(i.name) c) \
            from sqlite_schema t join pragma_index_list(t.name) i \
            where t.type = 'table' and t.name not like 'sqlite_%' order by i.name",
    )?;
    let mut rows = indexes.query([])?;
    let mut found: Vec<(String, String, String)> = Vec::new();
    while let Some(row) = rows.next()? {
        let columns: String = row.get(4)?;
        found.push((row.get(0)?, row.get(1)?, figures(&columns, row.get(2)?, row.get(3)?)));
    }
    for (table, index, figures) in found {
        connection.execute("insert into sqlite_stat1 (tbl, idx, stat) values (?1, ?2, ?3)", (table, index, figures))?;
    }
    connection.execute_batch("analyze sqlite_schema")
}

/// Rows of the index, then how many share each prefix of its columns.
fn figures(columns: &str, unique: bool, partial: bool) -> String {
    let rows = if partial { ROWS_OF_PART } else { ROWS };
    let columns: Vec<&str> = columns.split(' ').collect();
    let mut text = rows.to_string();
    for (place, _) in columns.iter().enumerate() {
        let alike = match place {
            _ if unique && place + 1 == columns.len() => 1,
            0 if columns[0] == "realm_id" => rows,
            _ => ALIKE,
        };
        text.push(' ');
        text.push_str(&alike.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_beyond_the_tenant_is_preferred_to_the_key_that_begins_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        let tables = "create table s (realm_id blob not null, id blob not null, user_id blob not null, x integer, \
            primary key (realm_id, id)) strict, without rowid; create index s_user on s (realm_id, user_id);";
        connection.execute_batch(tables).unwrap();
        let plan = |sql: &str| -> String {
            connection.query_row(&format!("explain query plan {sql}"), [b"a", b"b"], |row| row.get(3)).unwrap()
        };
        let by_user = "update s set x = 1 where realm_id = ?1 and user_id = ?2 and x is null";
        assert!(plan(by_user).contains("PRIMARY KEY"), "without figures it would read the realm: {}", plan(by_user));
        write(&connection).unwrap();
        assert!(plan(by_user).contains("s_user (realm_id=? AND user_id=?)"), "{}", plan(by_user));
        let by_id = "select x from s where realm_id = ?1 and id = ?2";
        assert!(plan(by_id).contains("PRIMARY KEY (realm_id=? AND id=?)"), "{}", plan(by_id));
    }

    #[test]
    fn a_whole_unique_key_finds_one_row() {
        assert_eq!(figures("realm_id id", true, false), "1000000 1000000 1");
        assert_eq!(figures("realm_id user_id", false, false), "1000000 1000000 10");
        assert_eq!(figures("realm_id next_at", false, true), "10000 10000 10");
        assert_eq!(figures("name", true, false), "1000000 1");
        assert_eq!(figures("realm_id", true, false), "1000000 1");
    }
}
