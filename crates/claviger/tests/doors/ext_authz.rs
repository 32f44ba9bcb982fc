//! What Envoy is told beyond the decision, and what lets no call pass.

use std::time::Duration;

use claviger_testkit::{Claviger, Server, Upstream};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, OkHttpResponse,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::scene::{Node, api, subscribe};

/// A node with the API `orders`, and the key of an Application that has subscribed to it.
struct World {
    runtime: Runtime,
    node: Node,
    key: String,
}

impl World {
    fn new() -> Self {
        let claviger = Claviger::new(env!("CARGO_BIN_EXE_claviger"));
        let service_key = claviger.init().service_key;
        let node = Node::new(claviger, &service_key);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let upstream = Upstream::start();
        let key = runtime.block_on(async {
            let further = json!({ "permissions": ["orders:read", "orders:write"] });
            api(&node.client, "orders", &["api_key"], &upstream, further).await;
            let caller = subscribe(&node.client, "orders", json!({ "permissions": ["orders:read"] })).await;
            caller["credentials"][0]["key"].as_str().expect("a key, shown once").to_owned()
        });
        Self { runtime, node, key }
    }

    fn check(&self, check: CheckRequest) -> Result<CheckResponse, tonic::Status> {
        ask(&self.runtime, &self.node.server, check)
    }

    /// What the caller gets in place of the upstream's answer: status, code, and the parameter that is named.
    fn refusal(&self, check: CheckRequest) -> (i32, String, Value) {
        match self.check(check).unwrap().http_response {
            Some(HttpResponse::DeniedResponse(denied)) => {
                let problem: Value = serde_json::from_str(&denied.body).unwrap();
                let told = denied.headers.iter().filter_map(|option| option.header.as_ref());
                let named = |name: &str| told.clone().find(|it| it.key == name).map(|it| it.value.clone());
                assert_eq!(named("content-type").as_deref(), Some("application/problem+json"));
                assert_eq!(named("x-request-id"), problem["request_id"].as_str().map(str::to_owned));
                assert_eq!(problem["code"].as_str(), named("x-claviger-code").as_deref());
                (denied.status.unwrap().code, named("x-claviger-code").unwrap(), problem["parameter"].clone())
            }
            other => panic!("{other:?}"),
        }
    }

    fn passed(&self, check: CheckRequest) -> OkHttpResponse {
        match self.check(check).unwrap().http_response {
            Some(HttpResponse::OkResponse(passed)) => passed,
            other => panic!("{other:?}"),
        }
    }
}

fn ask(runtime: &Runtime, server: &Server, check: CheckRequest) -> Result<CheckResponse, tonic::Status> {
    runtime.block_on(async {
        let mut client = AuthorizationClient::connect(server.ext_authz_url()).await.unwrap();
        client.check(check).await.map(tonic::Response::into_inner)
    })
}

/// A call with these lines, on a route with these context extensions.
fn call(path: &str, lines: &[(&str, &str)], told: &[(&str, &str)]) -> CheckRequest {
    let line = |(key, value): &(&str, &str)| HeaderValue {
        key: (*key).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        header_map: Some(HeaderMap { headers: lines.iter().map(line).collect() }),
        ..HttpRequest::default()
    };
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request { http: Some(http), ..Request::default() }),
            context_extensions: told.iter().map(owned).collect(),
            ..AttributeContext::default()
        }),
    }
}

#[test]
fn a_call_goes_on_with_who_calls_and_without_what_it_said_of_itself() {
    let world = World::new();
    let lines = [
        (":path", "/orders/42"),
        ("x-api-key", world.key.as_str()),
        ("x-claviger-application", "somebody else"),
        ("x-claviger-key-name", "somebody else"),
        ("x_claviger_key_id", "somebody else"),
        ("accept", "*/*"),
    ];
    let passed = world.passed(call("/orders/42?a=b", &lines, &[]));
    let mut removed = passed.headers_to_remove;
    removed.sort();
    assert_eq!(removed, ["x-api-key", "x-claviger-key-name", "x_claviger_key_id"]);
    let written = |name: &str| {
        let option = passed.headers.iter().find(|it| it.header.as_ref().unwrap().key == name).unwrap();
        assert_eq!(option.append_action, 2, "in the place of what is there");
        option.header.as_ref().unwrap().value.clone()
    };
    assert!(written("x-claviger-application").starts_with("app_"));
    assert!(written("x-claviger-key-id").starts_with("key_"));
    assert_eq!(written("x-claviger-environment"), "production");
    assert_eq!(written("x-claviger-permissions"), "orders:read");
}

#[test]
fn what_a_route_asks_is_asked_and_what_it_misspells_lets_nothing_pass() {
    let world = World::new();
    let key = [("x-api-key", world.key.as_str())];
    assert_eq!(world.passed(call("/elsewhere", &key, &[("api", "orders")])).headers.len(), 4);
    for (path, told, status, code, parameter) in [
        ("/nowhere/42", &[][..], 404, "api_not_exposed", Value::Null),
        ("/orders/../admin", &[], 400, "bad_query", Value::Null),
        ("", &[], 400, "bad_query", Value::Null),
        ("/orders/42", &[("permissions", "orders:write")], 403, "permission_denied", Value::Null),
        ("/orders/42", &[("environment", "sandbox")], 403, "wrong_environment", Value::Null),
        ("/orders/42", &[("permission", "orders:write")], 400, "bad_query", json!("permission")),
    ] {
        let refusal = world.refusal(call(path, &key, told));
        assert_eq!(refusal, (status, code.to_owned(), parameter), "{path} {told:?}");
    }
    let many = vec!["orders:read"; 33].join(",");
    let refusal = world.refusal(call("/orders/42", &key, &[("permissions", &many)]));
    assert_eq!(refusal, (400, "bad_query".to_owned(), json!("permissions")));
    let twice = [key[0], key[0]];
    assert_eq!(world.refusal(call("/orders/42", &twice, &[])).1, "malformed");
    let torn = world.refusal(call("/orders/42", &[key[0], ("x-torn", "a\nb")], &[]));
    assert_eq!(torn, (400, "bad_header".to_owned(), json!("x-torn")));
    for (source, code) in [("fe80::1%eth0", "permission_denied"), ("nowhere", "bad_header")] {
        let mut check = call("/orders/42", &key, &[("permissions", "orders:write")]);
        let caller = SocketAddress { address: source.to_owned(), ..SocketAddress::default() };
        let address = Address { address: Some(Kind::SocketAddress(caller)) };
        check.attributes.as_mut().unwrap().source = Some(Peer { address: Some(address), ..Peer::default() });
        assert_eq!(world.refusal(check).1, code, "{source}");
    }
    let crowd = vec![("x-more", "1"); 1_001];
    assert_eq!(world.refusal(call("/orders/42", &crowd, &[])).1, "bad_header");
    let nothing = world.check(CheckRequest::default()).unwrap_err();
    assert_eq!(nothing.code(), tonic::Code::InvalidArgument);
}

#[test]
fn nobody_is_answered_but_trusted_proxies_and_nobody_before_there_is_something_to_decide_by() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let claviger = Claviger::new(env!("CARGO_BIN_EXE_claviger"))
        .with_variable("CLAVIGER_DOORS__TRUSTED", "192.0.2.0/24");
    let server = claviger.serve_unready();
    let check = || call("/orders/42", &[], &[]);
    assert_eq!(ask(&runtime, &server, check()).unwrap_err().code(), tonic::Code::Unavailable);
    drop(server);
    claviger.init();
    let server = claviger.serve();
    let refused = ask(&runtime, &server, check()).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    assert!(refused.message().contains("doors.trusted"), "{refused}");
    let address = server.ext_authz_url().replace("http://", "");
    assert_eq!(runtime.block_on(status_before_its_message(&address)), "7", "PERMISSION_DENIED");
}

/// The status of gRPC that a call gets whose message is announced and never sent.
async fn status_before_its_message(address: &str) -> String {
    let connection = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(connection).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{address}/envoy.service.auth.v3.Authorization/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (answer, _unfinished) = client.send_request(request, false).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.unwrap().unwrap();
    driving.abort();
    answer.headers()["grpc-status"].to_str().unwrap().to_owned()
}
