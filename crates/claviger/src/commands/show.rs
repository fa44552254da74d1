//! Answers for people: one fact a line, one thing a block.

use std::io::Write as _;

use serde_json::Value;

/// Prints an answer.
#[allow(clippy::print_stdout, reason = "the answer is what the command is for")]
pub(super) fn answer(value: &Value, json: bool) {
    let text = match value {
        Value::Null if json => String::new(),
        Value::Null => "Done.\n".to_owned(),
        value if json => format!("{value}\n"),
        value => plain(value),
    };
    // Whoever closed our standard output does not want to know.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn plain(value: &Value) -> String {
    let Some(Value::Array(items)) = value.get("items") else { return block(value, 0) };
    if items.is_empty() {
        return "None.\n".to_owned();
    }
    let mut text = items.iter().map(|item| block(item, 0)).collect::<Vec<_>>().join("\n");
    if let Some(next) = value.get("next").and_then(Value::as_str) {
        text.push_str("\nMore: --after ");
        text.push_str(next);
        text.push('\n');
    }
    text
}

fn block(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match value {
                Value::Object(inner) if !inner.is_empty() => format!("{indent}{name}:\n{}", block(value, depth + 1)),
                Value::Array(items) if items.iter().any(Value::is_object) => {
                    let blocks: Vec<_> = items.iter().map(|item| block(item, depth + 1)).collect();
                    format!("{indent}{name}:\n{}", blocks.join("\n"))
                }
                value => format!("{indent}{name}: {}\n", line(value)),
            })
            .collect(),
        value => format!("{indent}{}\n", line(value)),
    }
}

fn line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(line).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::plain;

    #[test]
    fn an_answer_reads_as_facts() {
        let one =
            json!({ "name": "main", "settings": { "tokens": { "access": "5m" } }, "gone": null, "scopes": ["a", "b"] });
        assert_eq!(plain(&one), "name: main\nscopes: a, b\nsettings:\n  tokens:\n    access: 5m\n");
        let within = json!({ "secrets": [{ "id": "a", "gone": null }, { "id": "b" }], "uses": [] });
        assert_eq!(plain(&within), "secrets:\n  id: a\n\n  id: b\nuses: \n");
        let two = json!({ "items": [{ "id": 1 }, { "id": 2 }], "next": "x" });
        assert_eq!(plain(&two), "id: 1\n\nid: 2\n\nMore: --after x\n");
        assert_eq!(plain(&json!({ "items": [] })), "None.\n");
    }
}
