//! Validation by the OpenAPI Initiative's own JSON Schemas, which are part of the program. Whether a document fits is
//! asked first, which costs next to nothing; only of one that does not are the faults sought, part by part, since
//! the validator copies what it complains of.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::document::Version;
use crate::fault::{Fault, MAX_FAULTS, escaped};
use crate::text::shown;

/// The dialect of Schema Objects where a document names none.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// The dialects that are that one, with the annotations of OpenAPI.
const OWN_DIALECTS: &str = "https://spec.openapis.org/oas/3.";
/// How many values a part may have whose faults are sought in detail.
const MAX_PART: usize = 20_000;
/// How much of a stranger's name is said again.
const MAX_NAME: usize = 100;

static V3_0: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/openapi-3.0.json"), false));
static V3_1: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/openapi-3.1.json"), true));
static V3_2: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/openapi-3.2.json"), true));
static V3_1_OTHER_DIALECT: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/openapi-3.1.json"), false));
static V3_2_OTHER_DIALECT: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../schemas/openapi-3.2.json"), false));

/// Schema Objects have a dialect of their own: they are validated where it is the usual one.
fn validator(schema: &str, with_schema_objects: bool) -> Validator {
    let mut schema: Value = serde_json::from_str(schema).expect("a test builds each");
    if with_schema_objects {
        schema["$defs"]["schema"]["$ref"] = DIALECT.into();
    }
    // A format would have strangers' expressions compiled, and takes addresses for wrong that are only unusual.
    jsonschema::options().should_validate_formats(false).build(&schema).expect("a test builds each")
}

fn of(version: Version, document: &Value) -> &'static Validator {
    let dialect = document.get("jsonSchemaDialect").and_then(Value::as_str);
    let usual = dialect.is_none_or(|dialect| dialect == DIALECT || dialect.starts_with(OWN_DIALECTS));
    match (version, usual) {
        (Version::V3_0, _) => &V3_0,
        (Version::V3_1, true) => &V3_1,
        (Version::V3_1, false) => &V3_1_OTHER_DIALECT,
        (Version::V3_2, true) => &V3_2,
        (Version::V3_2, false) => &V3_2_OTHER_DIALECT,
    }
}

/// What does not fit; empty: all of it does.
pub(crate) fn faults(version: Version, document: &Value) -> Vec<Fault> {
    let validator = of(version, document);
    if validator.is_valid(document) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (pointer, part) in parts(document) {
        if faults.len() >= MAX_FAULTS {
            break;
        }
        if validator.is_valid(&part) {
            continue;
        }
        if count(&part) > MAX_PART {
            faults.push(Fault::new(pointer, format!("does not fit OpenAPI {version}")));
        } else {
            let found = validator.iter_errors(&part).flat_map(|error| explain(&error, version));
            faults.extend(found.take(MAX_FAULTS - faults.len()));
        }
    }
    if faults.is_empty() {
        faults.push(Fault::whole(format!("does not fit OpenAPI {version}")));
    }
    faults
}

/// The document in parts that stand alone: its frame, each path, each component. Pointers stay what they are.
fn parts(document: &Value) -> impl Iterator<Item = (String, Value)> {
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let mut frame = document.clone();
    let paths = match frame.get_mut("paths") {
        Some(Value::Object(paths)) => std::mem::take(paths),
        _ => Map::new(),
    };
    let kinds = match frame.get_mut("components") {
        Some(Value::Object(kinds)) => emptied(kinds),
        _ => Vec::new(),
    };
    let head = json!({"openapi": document["openapi"], "info": {"title": "", "version": ""}, "paths": {}});
    let head = object(Some(&head));
    let with_path = head.clone();
    let paths = paths.into_iter().map(move |(path, item)| {
        let mut part = with_path.clone();
        let pointer = format!("/paths/{}", escaped(&path));
        part.insert("paths".to_owned(), json!({path: item}));
        (pointer, Value::Object(part))
    });
    let components = kinds.into_iter().map(move |(kind, name, value)| {
        let mut part = head.clone();
        let pointer = format!("/components/{}/{}", escaped(&kind), escaped(&name));
        part.insert("components".to_owned(), json!({kind: {name: value}}));
        (pointer, Value::Object(part))
    });
    std::iter::once((String::new(), frame)).chain(paths).chain(components)
}

/// Takes the components of each kind out.
fn emptied(kinds: &mut Map<String, Value>) -> Vec<(String, String, Value)> {
    let mut taken = Vec::new();
    for (kind, named) in kinds.iter_mut().filter(|(kind, _)| !kind.starts_with("x-")) {
        if let Value::Object(named) = named {
            let named = std::mem::take(named);
            taken.extend(named.into_iter().map(|(name, value)| (kind.clone(), name, value)));
        }
    }
    taken
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0_usize,
    }
}

/// The validator's error in our words, without the value that it is about.
fn explain(error: &ValidationError<'_>, version: Version) -> Vec<Fault> {
    use ValidationErrorKind as Kind;
    let at = error.instance_path().as_str();
    let one = |detail: String| vec![Fault::new(at, detail)];
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match missing(at, context) {
            Some(members) => one(format!("must have one of {}", members.join(", "))),
            None => closest(context).iter().flat_map(|error| explain(error, version)).collect(),
        },
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let member = |name: &String| {
                let pointer = format!("{at}/{}", escaped(name));
                Fault::new(
                    pointer,
                    format!("is no field of OpenAPI {version}; one of your own begins with x-"),
                )
            };
            unexpected.iter().take(MAX_FAULTS).map(member).collect()
        }
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            one(format!("has a member whose name is not allowed: {}", shown(name, MAX_NAME)))
        }
        Kind::Required { property } => one(format!("must have {}", property.as_str().unwrap_or_default())),
        Kind::Type { kind } => one(wrong_type(kind, error.instance())),
        Kind::Enum { options } => one(format!("must be one of {options}")),
        Kind::Constant { expected_value } => one(format!("must be {expected_value}")),
        Kind::Pattern { pattern } => one(format!("must match {pattern}")),
        Kind::MinItems { limit } => one(format!("must have at least {limit} items")),
        Kind::MaxItems { limit } => one(format!("must have at most {limit} items")),
        Kind::MinProperties { limit } => one(format!("must have at least {limit} members")),
        Kind::MaxProperties { limit } => one(format!("must have at most {limit} members")),
        Kind::Minimum { limit } => one(format!("must be at least {limit}")),
        Kind::ExclusiveMinimum { limit } => one(format!("must be greater than {limit}")),
        Kind::UniqueItems => one("must not have an item twice".to_owned()),
        Kind::FalseSchema => one("is not allowed here".to_owned()),
        _ => one(format!("does not fit OpenAPI {version}")),
    }
}

/// The members of which one has to be there, if nothing else is wrong.
fn missing<'c>(at: &str, branches: &'c [Vec<ValidationError<'static>>]) -> Option<Vec<&'c str>> {
    let member = |branch: &'c Vec<ValidationError<'static>>| match branch.as_slice() {
        [only] if only.instance_path().as_str() == at => required(only).filter(|name| *name != "$ref"),
        _ => None,
    };
    branches.iter().map(member).collect()
}

/// The member that is missing, if that is the fault.
fn required<'e>(error: &'e ValidationError<'_>) -> Option<&'e str> {
    match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        _ => None,
    }
}

/// Of several shapes that a value may have, the one that it got nearest to: whose first fault is the deepest. That
/// it is no Reference Object is said only if nothing better can be.
fn closest<'c>(branches: &'c [Vec<ValidationError<'static>>]) -> &'c [ValidationError<'static>] {
    let depth = |branch: &&Vec<ValidationError<'static>>| {
        let no_reference = branch.iter().any(|error| required(error) == Some("$ref"));
        let deepest = branch.iter().map(|error| error.instance_path().as_str().matches('/').count()).max();
        (!no_reference, deepest)
    };
    branches.iter().filter(|branch| !branch.is_empty()).max_by_key(depth).map_or(&[], Vec::as_slice)
}

fn wrong_type(kind: &TypeKind, found: &Value) -> String {
    let name = |kind: JsonType| match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "text",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    };
    match kind {
        TypeKind::Single(JsonType::String) if !found.is_array() && !found.is_object() => {
            "must be text; in YAML, put it in quotes".to_owned()
        }
        TypeKind::Single(kind) => format!("must be {}", name(*kind)),
        TypeKind::Multiple(kinds) => {
            let names: Vec<_> = kinds.into_iter().map(name).collect();
            format!("must be {}", names.join(" or "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_builds() {
        for validator in [&V3_0, &V3_1, &V3_2, &V3_1_OTHER_DIALECT, &V3_2_OTHER_DIALECT] {
            assert!(!validator.is_valid(&json!({})));
        }
    }
}
