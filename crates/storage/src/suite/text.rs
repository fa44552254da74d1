//! Rules that a statement's text shows by itself.

use crate::{Scope, Sql};

/// What one of the engines does not know, or what hides a scan, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("select *", "name the columns"),
    ("returning *", "name the columns"),
    (".*", "name the columns"),
    (" ilike ", "fold in Rust, into a second column"),
    (" like ", "fold in Rust, into a second column"),
    ("now()", "the time is a parameter"),
    ("current_timestamp", "the time is a parameter"),
    ("unixepoch(", "the time is a parameter"),
    ("random()", "randomness is a parameter"),
    ("::", "the engines differ in casts"),
    ("->", "JSON is text"),
    ("json_", "JSON is text"),
    ("array[", "SQLite knows no arrays"),
    ("any($", "SQLite knows no arrays"),
    ("any ($", "SQLite knows no arrays"),
    ("interval ", "spans are integers"),
    ("insert or ", "PostgreSQL knows only on conflict"),
    ("replace into", "PostgreSQL knows only on conflict"),
    ("rowid", "PostgreSQL has none"),
    ("for update", "read, decide, commit: nothing is locked by hand"),
    ("for share", "the engine adds it to what a unit requires"),
    (" glob ", "PostgreSQL does not know it"),
    ("ifnull(", "write coalesce"),
    ("count(distinct", "count in the index, not over it"),
];

pub(super) fn broken_rules(sql: &Sql) -> Vec<String> {
    let text = plain(sql.text);
    let mut broken: Vec<String> = BANNED
        .iter()
        .filter(|(word, _)| text.contains(word))
        .map(|(word, why)| format!("`{}` is not in the subset: {why}", word.trim()))
        .collect();
    let numbers = parameters(&text);
    if let Some(missing) = (1..=numbers.last().copied().unwrap_or(0)).find(|number| !numbers.contains(number)) {
        broken.push(format!("parameter ${missing} is not used"));
    }
    if let Some(number) = numbers.iter().find(|number| text.contains(&format!("${number} is null or"))) {
        broken.push(format!("`${number} is null or …` reads everything: write two statements"));
    }
    if sql.scope == Scope::Tenant && !names_its_tenant(&text) {
        broken.push("does not constrain realm_id: add the predicate, or say why it is shared".into());
    }
    broken
}

/// Lower case, single spaces, quoted text taken out.
fn plain(text: &str) -> String {
    let unquoted: String = text.split('\'').step_by(2).collect::<Vec<_>>().join("''");
    let words: Vec<&str> = unquoted.split_whitespace().collect();
    format!(" {} ", words.join(" ").to_lowercase())
}

/// The numbers of its parameters, each once, in order.
fn parameters(text: &str) -> Vec<u32> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let mut numbers: Vec<u32> = text.split('$').skip(1).filter_map(digits).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn names_its_tenant(text: &str) -> bool {
    let predicate = text.contains("realm_id = $");
    let Some((_, rest)) = text.split_once(" insert into ") else { return predicate };
    let columns = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(columns, _)| columns);
    let named = columns.split(',').any(|column| column.trim() == "realm_id");
    named && (predicate || !text.contains(" select "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &'static str) -> usize {
        broken_rules(&Sql { name: "test", text, scope: Scope::Tenant }).len()
    }

    #[test]
    fn each_rule_is_broken_by_its_example_and_by_that_alone() {
        for good in [
            "select id from t where realm_id = $1 and name = 'select * now() $9'",
            "insert into t (realm_id, id) values ($1, $2) on conflict (realm_id, id) do nothing",
            "insert into t (realm_id, id) select realm_id, id from s where realm_id = $1",
            "delete from t where id = $2 and realm_id = $1 returning id",
        ] {
            assert_eq!(rules(good), 0, "{good}");
        }
        for bad in [
            "select * from t where realm_id = $1",
            "select id from t where id = $1",
            "select id from t where realm_id = 'x'",
            "select id from t where realm_id = $1 and a = $3",
            "select id from t where realm_id = $1 and ($2 is null or a = $2)",
            "select id from t where realm_id = $1 and at < NOW()",
            "select id from t where realm_id = $1 and name\n  LIKE $2",
            "insert into t (id) values ($1)",
            "insert into t (realm_id, id) select realm_id, id from s where id = $1",
            "update t set a = $2::text where realm_id = $1",
        ] {
            assert_eq!(rules(bad), 1, "{bad}");
        }
    }
}
