//! Answers, for people and for programs.

use claviger_client::Problem;
use claviger_domain::credential::WellFormed;
use serde_json::Value;

use super::verb::{Column, Shows};
use crate::terminal::{self, Table, plain};

/// What to do when an answer that nobody can ask for again was not written.
const VALUE_LOST: &str = "the change was made, and the value that is shown once is lost: get a new one with \
                          `service-keys replace`, `key-sets regenerate` or `shared-keys reset-secret`";

/// Prints an answer.
pub(super) fn answer(body: &Value, shows: Shows, json: bool) -> anyhow::Result<()> {
    let text = match (json, shows) {
        // Nothing is JSON too, but no program wants to read it.
        (true, _) if body.is_null() => return Ok(()),
        (true, _) => serde_json::to_string_pretty(body)? + "\n",
        (false, Shows::Table(columns)) => page(body, columns),
        (false, Shows::Object) if !body.is_null() => object(body),
        (false, Shows::Object) => "done\n".to_owned(),
        (false, Shows::Done(sentence)) => format!("{sentence}\n"),
    };
    terminal::print(&text)
        .map_err(|error| if holds_a_value(body) { error.losing(VALUE_LOST) } else { error })?;
    Ok(())
}

/// Whether a credential stands in it in plain text.
fn holds_a_value(body: &Value) -> bool {
    match body {
        Value::String(text) => WellFormed::parse(text).is_some(),
        Value::Array(items) => items.iter().any(holds_a_value),
        Value::Object(members) => members.values().any(holds_a_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Prints events as they come: one object per line for programs, rows for people.
pub(super) fn events(items: &[Value], columns: &[Column], json: bool, first: bool) -> anyhow::Result<()> {
    if json {
        for item in items {
            terminal::print_line(&serde_json::to_string(item)?)?;
        }
        return Ok(());
    }
    let text = table(items, columns);
    // The titles once.
    let shown = if first { text.as_str() } else { text.split_once('\n').map_or("", |(_, rows)| rows) };
    terminal::print(shown)?;
    Ok(())
}

/// A refusal, for people.
pub(super) fn problem(problem: &Problem) -> String {
    let mut lines: Vec<String> = problem.to_string().lines().map(plain).collect();
    for (name, value) in &problem.more {
        if !matches!(name.as_str(), "type" | "instance") {
            lines.push(format!("  {}: {}", plain(name), cell(value)));
        }
    }
    lines.extend(problem.request_id.as_ref().map(|id| format!("  request: {}", plain(id))));
    lines.join("\n")
}

fn page(body: &Value, columns: &[Column]) -> String {
    let items = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = table(items, columns);
    if let Some(total) = body["total"].as_u64() {
        text.push_str(&format!("{total} altogether\n"));
    } else if let Some(least) = body["total_at_least"].as_u64() {
        text.push_str(&format!("at least {least} altogether\n"));
    }
    if let Some(cursor) = body["next_cursor"].as_str() {
        text.push_str(&format!("more: --cursor {}\n", plain(cursor)));
    }
    text
}

fn table(items: &[Value], columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    let mut table = Table::new(&titles);
    for item in items {
        table.row(columns.iter().map(|column| look_up(item, column.pointer).map(cell).unwrap_or_default()));
    }
    table.render()
}

/// What a JSON pointer points to, `-` being the last element of a list: LATEST of a chain of Keys.
fn look_up<'v>(item: &'v Value, pointer: &str) -> Option<&'v Value> {
    pointer.split('/').skip(1).try_fold(item, |value, part| match value {
        Value::Array(items) if part == "-" => items.last(),
        _ => value.pointer(&format!("/{part}")),
    })
}

/// A value in the space of a cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let name = ["name", "slug", "id"].into_iter().find_map(|name| members.get(name)?.as_str());
            name.map_or_else(|| plain(&value.to_string()), plain)
        }
        other => other.to_string(),
    }
}

/// An object's members, one line each, nested ones under their path.
fn object(body: &Value) -> String {
    let mut lines = Vec::new();
    flatten(String::new(), body, &mut lines);
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    lines.iter().map(|(name, value)| format!("{}\n", format!("{name:<width$}  {value}").trim_end())).collect()
}

fn flatten(path: String, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { plain(name) } else { format!("{path}.{}", plain(name)) };
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                flatten(below(name), value, lines);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, value) in items.iter().enumerate() {
                flatten(below(&at.to_string()), value, lines);
            }
        }
        Value::Object(_) => lines.push((path, String::new())),
        other => lines.push((path, cell(other))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_lines_and_nothing_moves_the_cursor() {
        let shown = object(&json!({
            "id": "ks_1", "name": "Orders\u{1b}[31m", "policy": { "overlap": "P0D" },
            "keys": [{ "id": "key_1" }], "can": ["suspend", "revoke"], "note": null,
        }));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.contains(&"id              ks_1"), "{shown}");
        assert!(lines.contains(&"name            Orders[31m"), "{shown}");
        assert!(lines.contains(&"policy.overlap  P0D"), "{shown}");
        assert!(lines.contains(&"keys.0.id       key_1"), "{shown}");
        assert!(lines.contains(&"can             suspend, revoke"), "{shown}");
        assert!(lines.contains(&"note"), "{shown}");
    }

    #[test]
    fn a_column_can_be_of_the_last_in_a_list() {
        let set = json!({ "keys": [{ "masked": "old" }, { "masked": "latest" }], "name": "Orders" });
        assert_eq!(look_up(&set, "/keys/-/masked"), Some(&json!("latest")));
        assert_eq!(look_up(&set, "/keys/0/masked"), Some(&json!("old")));
        assert_eq!(look_up(&set, "/name"), Some(&json!("Orders")));
        assert_eq!(look_up(&json!({ "keys": [] }), "/keys/-/masked"), None);
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let refusal: Problem = serde_json::from_value(json!({
            "status": 409, "code": "invalid_transition", "title": "Conflict", "detail": "not from revoked",
            "from": "revoked", "allowed": ["issue"], "request_id": "req_1",
            "errors": [{ "pointer": "/name", "detail": "too long" }],
        }))
        .unwrap();
        let shown = problem(&refusal);
        for part in ["invalid_transition", "not from revoked", "/name: too long", "allowed: issue", "req_1"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
