//! The operations of a document: what a person who wants to call the API must know, in short.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::fault::{Fault, MAX_FAULTS, escaped};
use crate::references::resolved;
use crate::text::{is_plain, shown};

/// How many operations a document may have, and how many parameters one of them.
const MAX_OPERATIONS: usize = 5_000;
const MAX_PARAMETERS: usize = 200;
/// How many parameters all of them may have together: those of a path count for each of its operations.
const MAX_ALL_PARAMETERS: usize = 20_000;
/// How much all operations may be as they are listed, in bytes of JSON: what a document says once may be listed often.
const MAX_LISTED: usize = 8 << 20;
/// How many media types, responses and tags of one operation are named.
const MAX_NAMED: usize = 50;
/// The longest names, and the longest texts.
const MAX_NAME: usize = 200;
const MAX_TEXT: usize = 1_000;
/// The longest path.
const MAX_PATH: usize = 1_000;

/// The members of a path that are operations.
const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    pub operation_id: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub deprecated: bool,
    pub tags: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub request_body: Option<RequestBody>,
    pub responses: Vec<Response>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// `path`, `query`, `header`, `cookie` or `querystring`.
    #[serde(rename = "in")]
    pub place: String,
    pub required: bool,
    pub deprecated: bool,
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestBody {
    pub required: bool,
    pub description: Option<String>,
    pub media_types: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// `200`, `4XX` or `default`.
    pub status: String,
    pub description: Option<String>,
}

/// The operations by path and method, of a document that fits its schema; or what stands in the way.
pub(crate) fn of(document: &Value) -> Result<Vec<Operation>, Vec<Fault>> {
    let mut list = List {
        document,
        operations: Vec::new(),
        listed: 0,
        parameters: 0,
        ids: HashMap::new(),
        faults: Vec::new(),
    };
    let empty = Map::new();
    let paths = document.get("paths").and_then(Value::as_object).unwrap_or(&empty);
    let mut sorted: Vec<_> = paths.iter().filter(|(path, _)| path.starts_with('/')).collect();
    sorted.sort_by_key(|(path, _)| *path);
    list.check_paths(sorted.iter().map(|(path, _)| path.as_str()));
    for (path, item) in sorted {
        list.path(path, item);
        if list.faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if list.faults.is_empty() { Ok(list.operations) } else { Err(list.faults) }
}

struct List<'d> {
    document: &'d Value,
    operations: Vec<Operation>,
    /// How much they are.
    listed: usize,
    parameters: usize,
    /// Where each operationId was met.
    ids: HashMap<&'d str, String>,
    faults: Vec<Fault>,
}

impl<'d> List<'d> {
    /// Paths are shown, compared and called: they are plain, and no two are the same but for their parameters' names.
    fn check_paths<'p>(&mut self, paths: impl Iterator<Item = &'p str>) {
        let mut shapes: HashMap<String, &str> = HashMap::new();
        for path in paths {
            let pointer = format!("/paths/{}", escaped(path));
            if path.len() > MAX_PATH || !is_plain(path) {
                let detail =
                    format!("must be at most {MAX_PATH} characters, without control or direction characters");
                self.faults.push(Fault::new(pointer, detail));
            } else if let Some(other) = shapes.insert(shape(path), path) {
                self.faults
                    .push(Fault::new(pointer, format!("is the same path as {}", shown(other, MAX_NAME))));
            }
            if self.faults.len() >= MAX_FAULTS {
                return;
            }
        }
    }

    fn path(&mut self, path: &str, item: &'d Value) {
        let Some(item) = resolved(self.document, item).and_then(Value::as_object) else { return };
        let pointer = format!("/paths/{}", escaped(path));
        let shared = item.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let known = METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?)));
        let further = item.get("additionalOperations").and_then(Value::as_object);
        let further = further.into_iter().flatten().map(|(method, operation)| (method.as_str(), operation));
        for (method, operation) in known.chain(further) {
            // Once something is wrong, nothing more is listed; only further faults are sought.
            if let Some(operation) = operation.as_object().filter(|_| self.faults.len() < MAX_FAULTS) {
                self.operation(path, &pointer, method, operation, shared);
            }
        }
    }

    fn operation(
        &mut self,
        path: &str,
        pointer: &str,
        method: &str,
        operation: &'d Map<String, Value>,
        shared: &'d [Value],
    ) {
        let pointer = format!("{pointer}/{}", escaped(method));
        let own = operation.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        self.parameters += own.len() + shared.len();
        let id = operation.get("operationId").and_then(Value::as_str);
        let here = || format!("{} {path}", method.to_uppercase());
        if let Some(other) = id.and_then(|id| self.ids.insert(id, here())) {
            let detail = format!("is also that of {}", shown(&other, MAX_NAME));
            self.faults.push(Fault::new(format!("{pointer}/operationId"), detail));
        }
        if own.len() + shared.len() > MAX_PARAMETERS || self.parameters > MAX_ALL_PARAMETERS {
            let detail = format!(
                "has too many parameters; an operation may have {MAX_PARAMETERS}, and all together {MAX_ALL_PARAMETERS}"
            );
            self.faults.push(Fault::new(pointer, detail));
        } else if self.operations.len() == MAX_OPERATIONS {
            self.faults.push(Fault::whole(format!("has more than {MAX_OPERATIONS} operations")));
        } else if self.faults.is_empty() {
            let listed = self.listed(path, method, operation, own, shared);
            self.listed += serde_json::to_vec(&listed).map_or(MAX_LISTED, |text| text.len());
            if self.listed > MAX_LISTED {
                let detail =
                    format!("has operations of more than {} MiB as they are listed", MAX_LISTED >> 20);
                self.faults.push(Fault::whole(detail));
            } else {
                self.operations.push(listed);
            }
        }
    }

    fn listed(
        &self,
        path: &str,
        method: &str,
        operation: &Map<String, Value>,
        own: &[Value],
        shared: &[Value],
    ) -> Operation {
        let tags = operation.get("tags").and_then(Value::as_array).into_iter().flatten();
        Operation {
            method: shown(&method.to_uppercase(), MAX_NAME),
            path: path.to_owned(),
            operation_id: text(operation, "operationId", MAX_NAME),
            summary: text(operation, "summary", MAX_NAME),
            description: text(operation, "description", MAX_TEXT),
            deprecated: flag(operation, "deprecated"),
            tags: tags.filter_map(Value::as_str).take(MAX_NAMED).map(|tag| shown(tag, MAX_NAME)).collect(),
            parameters: self.parameters(own, shared),
            request_body: operation.get("requestBody").and_then(|body| self.request_body(body)),
            responses: self.responses(operation),
        }
    }

    /// The operation's own, then those of its path that it does not override.
    fn parameters(&self, own: &[Value], shared: &[Value]) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = Vec::with_capacity(own.len() + shared.len());
        for parameter in own.iter().chain(shared) {
            let Some(parameter) = self.object(parameter) else { continue };
            let word = |name| text(parameter, name, MAX_NAME).unwrap_or_default();
            let (name, place) = (word("name"), word("in"));
            if parameters.iter().all(|other| (&other.name, &other.place) != (&name, &place)) {
                parameters.push(Parameter {
                    required: place == "path" || flag(parameter, "required"),
                    deprecated: flag(parameter, "deprecated"),
                    description: text(parameter, "description", MAX_TEXT),
                    name,
                    place,
                });
            }
        }
        parameters
    }

    fn request_body(&self, body: &Value) -> Option<RequestBody> {
        let body = self.object(body)?;
        let content = body.get("content").and_then(Value::as_object).into_iter().flatten();
        Some(RequestBody {
            required: flag(body, "required"),
            description: text(body, "description", MAX_TEXT),
            media_types: content.take(MAX_NAMED).map(|(name, _)| shown(name, MAX_NAME)).collect(),
        })
    }

    fn responses(&self, operation: &Map<String, Value>) -> Vec<Response> {
        let responses = operation.get("responses").and_then(Value::as_object).into_iter().flatten();
        let statuses = responses.filter(|(status, _)| !status.starts_with("x-"));
        let response = |(status, response): (&String, &Value)| Response {
            status: shown(status, MAX_NAME),
            description: self.object(response).and_then(|response| text(response, "description", MAX_TEXT)),
        };
        statuses.take(MAX_NAMED).map(response).collect()
    }

    fn object<'v>(&'v self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        resolved(self.document, value).and_then(Value::as_object)
    }
}

/// A path without its parameters' names.
fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut inside = false;
    for character in path.chars() {
        inside = character != '}' && (inside || character == '{');
        if !inside || character == '{' {
            shape.push(character);
        }
    }
    shape
}

fn text(object: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(|text| shown(text, most))
}

fn flag(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}
