//! What was typed, as a request: method, path, parameters, body.

use std::path::PathBuf;

use clap::ArgMatches;
use claviger_client::reqwest::Method;
use serde_json::{Map, Value, json};

use super::documents::Document;
use super::verb::{Flag, Goes, Kind, Shows, Verb};

/// One command of the REST API, understood.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) place: Place,
    pub(super) asks: Asks,
}

/// Which server is asked, and how its answer is shown.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) url: Option<String>,
    pub(super) json: bool,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Asks {
    Verb(Box<VerbRequest>),
    /// Whether the credential on standard input opens the door.
    Verify {
        body: Map<String, Value>,
    },
    /// Which key the value on standard input is.
    WhichKey,
    /// New events as they happen.
    Tail {
        query: Vec<(String, String)>,
    },
    /// An API's OpenAPI document.
    Document(Document),
}

/// A request of the table.
#[derive(Debug)]
pub(super) struct VerbRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// None: the request has no body.
    pub(super) body: Option<Body>,
    pub(super) idempotency_key: Option<String>,
    pub(super) if_match: Option<String>,
    /// All pages of a list.
    pub(super) all: bool,
    pub(super) shows: Shows,
}

/// A body: the members that flags gave, laid over those of a file.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) file: Option<PathBuf>,
    pub(super) members: Value,
    /// Members that neither a flag gave nor a file may leave out: each flag with its member.
    pub(super) required: Vec<(&'static str, String)>,
}

impl From<&ArgMatches> for Place {
    fn from(matches: &ArgMatches) -> Self {
        Self { url: matches.get_one::<String>("url").cloned(), json: matches.get_flag("json") }
    }
}

/// The names of the `{places}` in a path.
pub(super) fn places(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// Makes the request of a verb.
pub(super) fn of_verb(verb: &'static Verb, matches: &ArgMatches) -> Result<VerbRequest, String> {
    let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let switch = |name: &str| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or_default();
    let mut query = parameters(verb, matches);
    for name in ["limit", "cursor", "sort"] {
        query.extend(text(name).filter(|_| verb.is_list()).map(|value| (name.to_owned(), value)));
    }
    if switch("count") {
        query.push(("count".to_owned(), "true".to_owned()));
    }
    Ok(VerbRequest {
        method: verb.how.method(),
        path: path(verb.path, matches)?,
        query,
        body: body(verb, matches)?,
        idempotency_key: text("idempotency-key"),
        if_match: text("if-match"),
        all: switch("all"),
        shows: verb.shows,
    })
}

/// The parameters of the address that flags gave.
pub(super) fn parameters(verb: &'static Verb, matches: &ArgMatches) -> Vec<(String, String)> {
    parameters_of(verb.all_flags(), matches)
}

/// The same for flags that belong to no verb of the table.
pub(super) fn parameters_of(
    flags: impl Iterator<Item = &'static Flag>,
    matches: &ArgMatches,
) -> Vec<(String, String)> {
    let mut query = Vec::new();
    for flag in flags.filter(|flag| flag.goes == Goes::Query) {
        for value in matches.get_many::<String>(flag.name).into_iter().flatten() {
            query.push((flag.place(), value.clone()));
        }
    }
    query
}

pub(super) fn path(template: &'static str, matches: &ArgMatches) -> Result<String, String> {
    let mut path = template.to_owned();
    for place in places(template) {
        let value = matches.get_one::<String>(place).map(String::as_str).unwrap_or_default();
        if value.is_empty() || matches!(value, "." | "..") {
            return Err(format!("{value:?} is no id"));
        }
        path = path.replace(&format!("{{{place}}}"), &escaped(value));
    }
    Ok(path)
}

/// An id as one segment of a path, whatever was typed.
fn escaped(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    segment
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn body(verb: &'static Verb, matches: &ArgMatches) -> Result<Option<Body>, String> {
    let mut members = json!({});
    let mut required = Vec::new();
    for (name, value) in verb.says {
        put(&mut members, name, Value::Bool(*value));
    }
    let file = matches.try_get_one::<String>("body").ok().flatten().map(PathBuf::from);
    let of_body = || verb.all_flags().filter(|flag| flag.goes == Goes::Body);
    for flag in of_body() {
        match value(flag, matches)? {
            Some(value) => put(&mut members, &flag.place(), value),
            None if flag.required => required.push((flag.name, flag.place())),
            None => {}
        }
    }
    if let (None, Some((missing, _))) = (&file, required.first()) {
        return Err(format!("--{missing} is missing; see `--help`"));
    }
    let takes_body = of_body().next().is_some() || !verb.says.is_empty();
    Ok(takes_body.then_some(Body { file, members, required }))
}

fn value(flag: &'static Flag, matches: &ArgMatches) -> Result<Option<Value>, String> {
    if flag.kind == Kind::Switch {
        return Ok(matches.get_flag(flag.name).then_some(Value::Bool(true)));
    }
    let Some(texts) = matches.get_many::<String>(flag.name) else { return Ok(None) };
    let texts: Vec<&str> = texts.map(String::as_str).collect();
    let single = texts.first().copied().unwrap_or_default();
    let value = match flag.kind {
        Kind::Nullable | Kind::NullableList | Kind::Rate if texts == ["none"] => Value::Null,
        Kind::List | Kind::NullableList => {
            json!(texts.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>())
        }
        Kind::Boolean => Value::Bool(single == "true"),
        Kind::Rate => rate(single).ok_or_else(|| wrong(flag, "must be like 100/minute or 100/minute/200"))?,
        Kind::Json => {
            serde_json::from_str(single).map_err(|error| wrong(flag, &format!("must be JSON: {error}")))?
        }
        Kind::Text | Kind::Nullable | Kind::Switch => Value::from(single),
    };
    Ok(Some(value))
}

fn wrong(flag: &Flag, why: &str) -> String {
    format!("--{} {why}", flag.name)
}

fn rate(text: &str) -> Option<Value> {
    let mut parts = text.split('/');
    let limit: u64 = parts.next()?.parse().ok()?;
    let per = parts.next()?;
    let mut rate = json!({ "limit": limit, "per": per });
    if let Some(burst) = parts.next() {
        rate["burst"] = Value::from(burst.parse::<u64>().ok()?);
    }
    parts.next().is_none().then_some(rate)
}

/// Puts a value where `place` says, making the objects on the way.
fn put(root: &mut Value, place: &str, value: Value) {
    let mut at = root;
    for name in place.split('/') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = value;
}

impl Body {
    /// The members laid over those of the file, whose text is `file`.
    pub(super) fn over(self, file: Option<&str>) -> Result<Value, String> {
        let mut whole: Value = match file {
            Some(text) => {
                serde_json::from_str(text).map_err(|error| format!("the body is not JSON: {error}"))?
            }
            None => json!({}),
        };
        lay(self.members, &mut whole);
        let pointer = |place: &str| format!("/{place}");
        match self.required.iter().find(|(_, place)| whole.pointer(&pointer(place)).is_none()) {
            Some((flag, _)) => Err(format!("--{flag} is missing, and the body has it not")),
            None => Ok(whole),
        }
    }
}

fn lay(over: Value, under: &mut Value) {
    match (over, under) {
        (Value::Object(over), Value::Object(under)) => {
            for (name, value) in over {
                lay(value, under.entry(name).or_insert(Value::Null));
            }
        }
        (over, under) => *under = over,
    }
}
