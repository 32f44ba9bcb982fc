//! The OpenAPI document. Handlers say what is their own; what all routes share (problems, headers,
//! sign-in, `wait_for`) is added here, by rule, so that no route can forget it.

use std::collections::{BTreeMap, HashMap};

use http::Method;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// What the document begins with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Claviger",
        description = "The keeper of API keys: issues them, keeps them sealed, rotates and revokes them, and \
                       decides on every call whether the key presented opens the door.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(claviger_wire::Problem))
)]
pub(crate) struct Base;

/// The extension by which a handler says which permission it needs.
pub(crate) const PERMISSION: &str = "x-permission";

/// The extension by which a list says by which fields it can be sorted, the default one first.
const SORTS: &str = "x-sorts";

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Adds what all routes share.
pub(crate) fn complete(mut document: Value, prefix: &str) -> Value {
    document["servers"] = json!([{"url": if prefix.is_empty() { "/" } else { prefix }}]);
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "A service key: `clv_svc_…`."},
        "portal": {"type": "http", "scheme": "bearer", "description": "The token of a portal link: `clv_portal_…`."},
        "portal_session": {"type": "apiKey", "in": "cookie", "name": "claviger_portal", "description": "A session of the portal. What changes something also needs `Sec-Fetch-Site: same-origin`."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A service key."},
    });
    document["components"]["responses"] = Value::Object(
        PROBLEMS
            .iter()
            .map(|(status, codes, description)| (format!("Problem{status}"), problem(codes, description)))
            .collect(),
    );
    for (path, method, operation) in operations_mut(&mut document) {
        Shared { path: &path, method: &method }.complete(operation);
    }
    document
}

/// The names of the query parameters of each route and method.
pub(crate) fn query_parameters(document: &Value) -> HashMap<String, HashMap<Method, Vec<String>>> {
    let mut known: HashMap<String, HashMap<Method, Vec<String>>> = HashMap::new();
    let mut document = document.clone();
    for (path, method, operation) in operations_mut(&mut document) {
        let names = parameters(operation)
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
            .collect();
        if let Ok(method) = method.to_uppercase().parse() {
            known.entry(path).or_default().insert(method, names);
        }
    }
    known
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let path = path.clone();
        let operations = item.as_object_mut().into_iter().flatten();
        operations
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| (path.clone(), method.clone(), operation))
    })
}

fn parameters(operation: &mut Value) -> &mut Vec<Value> {
    let parameters = &mut operation["parameters"];
    if !parameters.is_array() {
        *parameters = Value::Array(Vec::new());
    }
    match parameters {
        Value::Array(list) => list,
        _ => unreachable!("it was made a list above"),
    }
}

/// What there is only if the API has a document.
const PORTAL_DOCUMENT: [&str; 2] = ["/v1/portal/openapi", "/v1/portal/operations"];
/// It changes nothing of ours, though it is a POST.
const TRIAL: &str = "/v1/portal/try";

/// The extension by which a refusal says which codes it can have.
const CODES: &str = "x-codes";

/// Every refusal that a route can answer: its status, its codes, what it means.
const PROBLEMS: [(u16, &[&str], &str); 13] = [
    (
        400,
        &["not_json", "bad_query", "bad_header"],
        "Not JSON, or a query parameter, cursor or header that can't be read.",
    ),
    (401, &["unauthenticated", "inactive", "expired"], "No good service key."),
    (
        403,
        &["forbidden", "ip_denied"],
        "A permission or the level of access to one thing is missing, which is named, or the address is not good.",
    ),
    (404, &["not_found"], "Never was, was deleted, or may not be seen by the caller."),
    (408, &["timed_out"], "The body did not arrive in time."),
    (
        409,
        &[
            "invalid_transition",
            "not_allowed_by_policy",
            "application_suspended",
            "superseded",
            "already_shown",
            "set_through_portal",
            "api_not_exposed",
            "already_subscribed",
            "name_taken",
            "in_use",
            "limit_reached",
            "conflict",
            "last_owner",
            "last_admin",
            "not_for_this_use",
            "already_initialised",
        ],
        "Not from this state, or not beside what there is.",
    ),
    (412, &["precondition_failed"], "`If-Match` names an older state."),
    (413, &["too_large"], "The body is too large."),
    (415, &["unsupported_media_type"], "The body is not JSON."),
    (
        422,
        &["invalid", "looks_like_a_secret"],
        "Wrong type, unknown field, or value out of range, each with its pointer.",
    ),
    (429, &["too_many_requests", "too_many_reveals"], "Too many; try again after `Retry-After`."),
    (500, &["internal"], "A fault of ours."),
    (
        503,
        &[
            "keeper_unavailable",
            "database_unavailable",
            "behind",
            "not_initialised",
            "gateway_unavailable",
            "trial_timed_out",
        ],
        "Something that the request needs is away.",
    ),
];

fn problem(codes: &[&str], description: &str) -> Value {
    let listed: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    json!({
        "description": format!("{description} `code`: {}.", listed.join(", ")),
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        CODES: codes,
    })
}

/// What all lists take (surface.md, "Lists").
fn paging(sorts: &[Value]) -> [Value; 4] {
    let fields = sorts.iter().filter_map(Value::as_str);
    let sorts: Vec<String> = fields.flat_map(|field| [format!("-{field}"), field.to_owned()]).collect();
    let parameter = |name: &str, schema: Value, description: &str| json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description});
    [
        parameter(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
            "How many on a page.",
        ),
        parameter(
            "cursor",
            json!({"type": "string"}),
            "The `next_cursor` or `previous_cursor` of a page of this list.",
        ),
        parameter(
            "sort",
            json!({"type": "string", "enum": sorts, "default": sorts.first()}),
            "The field to sort by, `-` for descending.",
        ),
        parameter(
            "count",
            json!({"type": "boolean", "default": false}),
            "Whether to count all pages: `total`, exact to 10,000.",
        ),
    ]
}

/// One operation, seen from what it shares with others.
struct Shared<'a> {
    path: &'a str,
    method: &'a str,
}

impl Shared<'_> {
    fn complete(&self, operation: &mut Value) {
        self.name(operation);
        if matches!(self.path, "/readyz" | "/.well-known/jwks.json") {
            operation["responses"]["503"] = json!({"$ref": "#/components/responses/Problem503"});
        }
        if !self.path.starts_with("/v1/") {
            return;
        }
        operation["security"] = self.security();
        self.describe_permission(operation);
        self.add_parameters(operation);
        self.add_problems(operation);
        self.add_headers(operation);
    }

    fn security(&self) -> Value {
        match (self.collection(), self.method) {
            // The token is in the body.
            (Some("portal"), "post") if self.path.ends_with("/session") => json!([]),
            (Some("nodes"), "post") if self.path.ends_with("/join") => json!([]),
            (Some("portal"), _) => json!([{"portal": []}, {"portal_session": []}]),
            _ => json!([{"bearer": []}, {"header": []}]),
        }
    }

    fn collection(&self) -> Option<&str> {
        self.path.strip_prefix("/v1/")?.split('/').next()
    }

    /// Whether it asks or decides rather than changes anything, though it is a POST.
    fn asks(&self) -> bool {
        self.method == "get"
            || matches!(self.collection(), Some("verify" | "which-key"))
            || self.path == TRIAL
            || self.signs()
            || self.tries()
    }

    /// Whether what it makes is kept nowhere.
    fn signs(&self) -> bool {
        self.path.ends_with("/sign-jwt")
    }

    /// Whether it only tries what was typed.
    fn tries(&self) -> bool {
        self.path.ends_with("/git-integration/test")
    }

    /// `key_sets_revoke`: the collection, then the handler's own name.
    fn name(&self, operation: &mut Value) {
        let own = operation["operationId"].as_str().unwrap_or_default();
        if let Some(collection) = self.collection() {
            operation["operationId"] = format!("{}_{own}", collection.replace('-', "_")).into();
        }
    }

    fn describe_permission(&self, operation: &mut Value) {
        let Some(permission) = operation[PERMISSION].as_str() else { return };
        let before = operation["description"].as_str().map(|text| format!("{text}\n\n")).unwrap_or_default();
        operation["description"] = format!("{before}Needs the permission `{permission}`.").into();
    }

    fn add_parameters(&self, operation: &mut Value) {
        if let Some(sorts) = operation[SORTS].as_array().cloned() {
            parameters(operation).extend(paging(&sorts));
        }
        let list = parameters(operation);
        if self.method == "get" {
            list.push(json!({
                "name": "wait_for", "in": "query", "required": false, "schema": {"type": "integer", "minimum": 0},
                "description": "A position of the log that this node must have reached, waited for 5 s at most.",
            }));
        }
        if self.asks() {
            return;
        }
        list.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "schema": {"type": "string", "maxLength": 255},
            "description": "Repeating the request with the same key within 24 h does nothing twice.",
        }));
        if self.path.contains('{') {
            list.push(json!({
                "name": "If-Match", "in": "header", "required": false, "schema": {"type": "string"},
                "description": "The `ETag` of the state that this is meant for.",
            }));
        }
    }

    fn add_problems(&self, operation: &mut Value) {
        let body = operation.get("requestBody").is_some();
        let named = self.path.contains('{');
        let changes = !self.asks();
        for (status, ..) in PROBLEMS {
            let can_be = match status {
                404 => named || body || PORTAL_DOCUMENT.contains(&self.path),
                409 => changes || self.signs(),
                412 => changes && named,
                408 | 413 | 415 | 422 => body,
                _ => true,
            };
            let key = status.to_string();
            if can_be && operation["responses"].get(&key).is_none() {
                operation["responses"][key] =
                    json!({"$ref": format!("#/components/responses/Problem{status}")});
            }
        }
    }

    fn add_headers(&self, operation: &mut Value) {
        if self.asks() {
            return;
        }
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            let mut headers = Map::new();
            let header =
                |description: &str, kind: &str| json!({"description": description, "schema": {"type": kind}});
            headers.insert("Claviger-Position".into(), header("Where in the log it took effect.", "integer"));
            headers.insert("ETag".into(), header("The state that it has now.", "string"));
            headers.insert("Idempotency-Replayed".into(), header("`true` if this was told again.", "string"));
            response["headers"] = Value::Object(headers);
        }
    }
}

/// For tests and generated documentation: every path and method with the permission it needs, if any.
pub fn permissions(document: &Value) -> BTreeMap<(String, String), Option<String>> {
    let mut document = document.clone();
    operations_mut(&mut document)
        .map(|(path, method, operation)| {
            ((path, method.to_uppercase()), operation[PERMISSION].as_str().map(str::to_owned))
        })
        .collect()
}
