//! From the tree to a type, or to the list of values that don't fit it, each with its pointer and a
//! sentence that never repeats the value: it could be a secret.

use std::fmt::Write as _;

use claviger_domain::credential::contains_credential;
use claviger_domain::refusal::FieldError;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::tree::Node;

/// How many wrong values one answer names at most.
const MAX_ERRORS: usize = 20;

/// Reads a `T`, or names what doesn't fit.
pub(crate) fn read<T: DeserializeOwned>(mut node: Node<'_>) -> Result<T, Vec<FieldError>> {
    // The good case pays for no path.
    if let Ok(value) = T::deserialize(&node) {
        return Ok(value);
    }
    let mut errors: Vec<FieldError> = Vec::new();
    while errors.len() < MAX_ERRORS {
        let Err(error) = serde_path_to_error::deserialize::<_, T>(&node) else { break };
        let message = error.inner().to_string();
        let (steps, wrong) = explain(error.path(), &message);
        if errors.iter().any(|known| known.pointer == wrong.pointer) {
            break;
        }
        errors.push(wrong);
        // Without the wrong member, the next one shows. What is missing, or stands in a list, ends this.
        if message.starts_with("missing field") || !remove(&mut node, &steps) {
            break;
        }
    }
    Err(errors)
}

enum Step {
    Member(String),
    Item(usize),
}

fn explain(path: &Path, message: &str) -> (Vec<Step>, FieldError) {
    let mut steps: Vec<Step> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Item(*index)),
            Segment::Map { key } => Some(Step::Member(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    if let Some(name) = quoted_after(message, "missing field `") {
        steps.push(Step::Member(name.to_owned()));
    }
    let error = FieldError::new(pointer(&steps), sentence(message));
    (steps, error)
}

/// RFC 6901. A member's name that holds a credential ends the pointer before it.
fn pointer(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Item(index) => {
                let _ = write!(text, "/{index}");
            }
            Step::Member(name) if contains_credential(name) => break,
            Step::Member(name) => {
                text.push('/');
                text.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
        }
    }
    text
}

fn remove(node: &mut Node<'_>, steps: &[Step]) -> bool {
    let Some((Step::Member(last), before)) = steps.split_last() else { return false };
    let mut at = node;
    for step in before {
        let next = match (at, step) {
            (Node::Object(members), Step::Member(name)) => {
                members.iter_mut().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            (Node::List(items), Step::Item(index)) => items.get_mut(*index),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    let Node::Object(members) = at else { return false };
    let before = members.len();
    members.retain(|(name, _)| name != last);
    members.len() < before
}

/// serde's words without the value that was found.
fn sentence(message: &str) -> String {
    if message.starts_with("missing field") {
        return "is required".to_owned();
    }
    if message.starts_with("unknown field") {
        return match message.split_once("expected ") {
            Some((_, known)) => {
                format!("is not a field here; known: {}", known.trim_start_matches("one of "))
            }
            None => "is not a field here".to_owned(),
        };
    }
    if message.starts_with("data did not match any variant") {
        return "has none of the shapes that are known here".to_owned();
    }
    match message.rsplit_once(", expected ").or_else(|| message.rsplit_once("expected ")) {
        Some((_, expected)) => format!("must be {}", in_words(expected)),
        None if message.starts_with("duplicate field") => "is there twice".to_owned(),
        None => "can't be read".to_owned(),
    }
}

fn in_words(expected: &str) -> String {
    let range = |min: &dyn std::fmt::Display, max: &dyn std::fmt::Display| {
        format!("a whole number from {min} to {max}")
    };
    match expected {
        "u8" => range(&u8::MIN, &u8::MAX),
        "u16" => range(&u16::MIN, &u16::MAX),
        "u32" => range(&u32::MIN, &u32::MAX),
        "u64" => "a whole number of 0 or more".to_owned(),
        "i32" => range(&i32::MIN, &i32::MAX),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        "variant identifier" => "one of the words known here".to_owned(),
        _ if expected.starts_with("enum ") => "one of the words known here".to_owned(),
        _ => expected.to_owned(),
    }
}

fn quoted_after<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.split('`').next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::parse;
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        name: String,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        items: Vec<Inner>,
        #[serde(default)]
        level: Option<Level>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        reason: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Level {
        Low,
        High,
    }

    fn wrong(body: &str) -> Vec<(String, String)> {
        match read::<Outer>(parse(body.as_bytes()).expect("JSON")) {
            Ok(value) => {
                panic!("{body} fits: {} {:?} {:?} {:?}", value.name, value.limit, value.items, value.level)
            }
            Err(errors) => errors.into_iter().map(|error| (error.pointer, error.detail)).collect(),
        }
    }

    #[test]
    fn every_wrong_value_is_named_by_its_pointer() {
        let expected = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(pointer, detail)| ((*pointer).to_owned(), (*detail).to_owned())).collect()
        };
        for (body, errors) in [
            ("{}", &[("/name", "is required")][..]),
            ("null", &[("", "must be an object")]),
            ("[]", &[("", "must be an object")]),
            ("\"x\"", &[("", "must be an object")]),
            (r#"{"name":5}"#, &[("/name", "must be a string")]),
            (r#"{"name":"a","limit":-1}"#, &[("/limit", "must be a whole number from 0 to 4294967295")]),
            (r#"{"name":"a","limit":1.0}"#, &[("/limit", "must be a whole number from 0 to 4294967295")]),
            (r#"{"name":"a","level":"none"}"#, &[("/level", "must be `low` or `high`")]),
            (r#"{"name":"a","level":7}"#, &[("/level", "must be one of the words known here")]),
            (r#"{"name":"a","items":{}}"#, &[("/items", "must be a list")]),
            (r#"{"name":"a","items":[{},["why"]]}"#, &[("/items/1", "must be an object")]),
            (r#"{"name":"a","items":[{},{"reason":[]}]}"#, &[("/items/1/reason", "must be a string")]),
            (
                r#"{"name":"a","a/b~c":1,"limit":"x"}"#,
                &[
                    ("/a~1b~0c", "is not a field here; known: `name`, `limit`, `items`, `level`"),
                    ("/limit", "must be a whole number from 0 to 4294967295"),
                ],
            ),
            (
                r#"{"name":5,"limit":"x"}"#,
                &[("/name", "must be a string"), ("/limit", "must be a whole number from 0 to 4294967295")],
            ),
        ] {
            assert_eq!(wrong(body), expected(errors), "{body}");
        }
        read::<Outer>(parse(br#"{"name":"a","limit":null,"items":[{}],"level":"low"}"#).expect("JSON"))
            .expect("fits");
    }

    #[test]
    fn a_wrong_value_is_never_told_again() {
        let secret = claviger_domain::credential::generate(
            claviger_domain::credential::CredentialKind::Key,
            |buffer| buffer.fill(7),
        );
        let secret = secret.value.expose();
        for body in [
            format!(r#"{{"name":"a","limit":"{secret}"}}"#),
            format!(r#"{{"name":"a","level":"{secret}"}}"#),
            format!(r#"{{"name":"a","{secret}":1}}"#),
            format!(r#""{secret}""#),
        ] {
            assert!(!format!("{:?}", wrong(&body)).contains(secret), "{body}");
        }
    }
}
