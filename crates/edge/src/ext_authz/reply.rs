//! What Envoy is told: what to write into the call and take out of it, or what to answer in place of the upstream.

use claviger_verify::answer::{AS_OF, RequestId, is_ours, put_allotment};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue as Value, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::rpc::Status;
use http::{HeaderMap, HeaderValue};
use tonic::Code;

use crate::answer::{self, Problem};
use crate::decider::Decided;

/// The call goes on with who calls, without its credential, and without what it said of itself in our name.
pub(super) fn passed(decided: &Decided<'_>, headers: &HeaderMap) -> CheckResponse {
    let mut identity = HeaderMap::with_capacity(8);
    answer::put_identity(&decided.decision, &mut identity);
    let (mut told, mut ours) = (HeaderMap::new(), HeaderMap::new());
    ours.insert(AS_OF, HeaderValue::from(decided.decision.as_of().0));
    if let Some(allotment) = decided.decision.allotment() {
        put_allotment(allotment, &mut told);
    }
    let goes = |name: &str| is_ours(name) || decided.extracted.takes(&decided.places, name);
    // Envoy takes out after it has written.
    let doomed = headers.keys().filter(|name| goes(name.as_str()) && !identity.contains_key(*name));
    // What the upstream says of limits of its own stays; what it says in our name does not.
    let mut added = options(&told, HeaderAppendAction::AddIfAbsent);
    added.extend(options(&ours, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let reply = OkHttpResponse {
        headers_to_remove: doomed.map(|name| name.as_str().to_owned()).collect(),
        headers: options(&identity, HeaderAppendAction::OverwriteIfExistsOrAdd),
        response_headers_to_add: added,
        ..OkHttpResponse::default()
    };
    response(Code::Ok, HttpResponse::OkResponse(reply))
}

/// The caller gets this problem, as at every door.
pub(super) fn denied(problem: Problem, id: &RequestId) -> CheckResponse {
    let (status, headers, body) = problem.into_parts(id, false);
    let reply = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(status.as_u16()) }),
        headers: options(&headers, HeaderAppendAction::OverwriteIfExistsOrAdd),
        body: String::from_utf8(body).unwrap_or_default(),
    };
    response(Code::PermissionDenied, HttpResponse::DeniedResponse(reply))
}

fn response(code: Code, reply: HttpResponse) -> CheckResponse {
    let status = Status { code: i32::from(code), ..Status::default() };
    CheckResponse { status: Some(status), http_response: Some(reply), ..CheckResponse::default() }
}

/// What to do with the first line of each name; the others come beside it.
fn options(headers: &HeaderMap, first: HeaderAppendAction) -> Vec<HeaderValueOption> {
    let mut options = Vec::with_capacity(headers.len());
    for name in headers.keys() {
        for (at, value) in headers.get_all(name).iter().enumerate() {
            let action = match at {
                0 => first,
                _ => HeaderAppendAction::AppendIfExistsOrAdd,
            };
            // Of a refusal Envoy reads `value` alone. What we say is UTF-8.
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let header = Value { key: name.as_str().to_owned(), value, ..Value::default() };
            options.push(HeaderValueOption {
                header: Some(header),
                append_action: i32::from(action),
                ..HeaderValueOption::default()
            });
        }
    }
    options
}
