//! What a data node does at its doors beside deciding: it counts calls and limits, and answers Envoy.

use std::time::{Duration, Instant};

use claviger_client::reqwest::Response;
use claviger_testkit::{DataNode, Redis, Server};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use serde_json::{Value, json};

use super::installation::Installation;

const BOUND: Duration = Duration::from_secs(1);

impl Installation {
    fn call(&self, url: &str) -> Response {
        let call = self.http.get(url).header("X-API-Key", &self.key).send();
        self.runtime.block_on(call).unwrap()
    }

    fn running(&self, name: &str) -> (DataNode, Server) {
        let node = self.enrol(name);
        let server = node.claviger.gateway();
        self.wait_until_in_sync(&node);
        (node, server)
    }

    /// The API's calls so far, by code.
    fn counted(&self) -> Vec<(String, u64)> {
        let query = [("step", "day"), ("by", "code")];
        let usage = self.client.get("/v1/apis/orders/usage").query(&query).send::<Value>();
        let usage = self.runtime.block_on(usage).unwrap().body;
        let items = usage["items"].as_array().unwrap().iter();
        let counted =
            items.map(|item| (super::installation::text(&item["code"]), item["calls"].as_u64().unwrap()));
        counted.collect()
    }
}

fn forward_auth(server: &Server) -> String {
    format!("{}/v1/forward-auth?api=orders", server.url())
}

fn gateway(server: &Server) -> String {
    format!("{}/orders/42", server.gateway_url())
}

#[test]
fn c9_data_nodes_count_limits_together_and_each_by_itself_when_it_must() {
    let mut redis = Redis::start();
    let scene = Installation::with_variable("CLAVIGER_LIMITS__REDIS_URL", &redis.url());
    let ((one, at_one), (other, at_other)) = (scene.running("one"), scene.running("other"));
    let limit = json!({ "rate_limit": { "limit": 6, "per": "hour" } });
    scene.runtime.block_on(scene.client.patch("/v1/apis/orders").body(&limit).send::<Value>()).unwrap();
    [&one, &other].iter().for_each(|node| scene.wait_until_in_sync(node));
    let left = |answer: &Response| answer.headers()["ratelimit-remaining"].to_str().unwrap().to_owned();
    for (url, remaining) in [
        (gateway(&at_one), "5"),
        (forward_auth(&at_one), "4"),
        (gateway(&at_other), "3"),
        (forward_auth(&at_other), "2"),
        (forward_auth(&scene.control), "1"),
        (gateway(&at_one), "0"),
    ] {
        let answer = scene.call(&url);
        assert_eq!((answer.status().as_u16(), left(&answer)), (200, remaining.to_owned()), "{url}");
    }
    for url in [gateway(&at_one), forward_auth(&at_other), gateway(&at_other), forward_auth(&scene.control)] {
        let refused = scene.call(&url);
        assert_eq!((refused.status().as_u16(), left(&refused)), (429, "0".to_owned()), "{url}");
        assert_eq!(refused.headers()["x-claviger-code"], "rate_limited");
        assert!(refused.headers().contains_key("retry-after"));
    }
    redis.kill();
    scene.wait_until("alone", || scene.metric(&at_other, "claviger_limits_shared") == Some(0.0));
    assert_eq!(scene.call(&gateway(&at_other)).status(), 200, "by its own count, of which 2 were used");
}

#[test]
fn c10_what_data_nodes_count_is_counted_once_also_at_their_end() {
    let scene = Installation::new();
    let ((_one, at_one), (_other, at_other)) = (scene.running("one"), scene.running("other"));
    let knock = |server: &Server| {
        for url in [forward_auth(server), gateway(server)] {
            for _ in 0..10 {
                assert_eq!(scene.call(&url).status(), 200);
            }
            let missing = scene.runtime.block_on(scene.http.get(&url).send()).unwrap();
            assert_eq!(missing.status(), 401);
        }
    };
    let codes = |missing: u64, valid: u64| vec![("missing".to_owned(), missing), ("valid".to_owned(), valid)];
    knock(&at_one);
    knock(&at_other);
    scene.wait_until("counted", || scene.counted() == codes(4, 40));
    let calls = scene.get("/v1/apis/orders/calls");
    let calls = calls["items"].as_array().unwrap();
    assert_eq!(calls.len(), 22, "those of both gateways");
    assert!(
        calls.iter().all(|call| call["path"] == "/orders/42" && call["source"] == "127.0.0.1"),
        "{calls:?}"
    );
    let used =
        || scene.get(&format!("/v1/key-sets/{}", scene.key_set))["keys"][0]["last_used_at"].is_string();
    scene.wait_until("known as used", used);
    // What comes last is handed in when the node ends.
    knock(&at_one);
    let (status, log) = at_one.stop();
    assert!(status.success(), "{log}");
    scene.wait_until("counted at its end", || scene.counted() == codes(6, 60));
}

/// What Envoy is told of a call with the key: the status it answers, and who calls or the code.
fn envoy_asks(scene: &Installation, server: &Server) -> (i32, String) {
    let headers = [(":path", "/orders/42"), ("x-api-key", &scene.key)];
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: "/orders/42".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        request: Some(Request { http: Some(http), ..Request::default() }),
        context_extensions: [("api".to_owned(), "orders".to_owned())].into(),
        ..AttributeContext::default()
    };
    let answer = scene.runtime.block_on(async {
        let mut client = AuthorizationClient::connect(server.ext_authz_url()).await.unwrap();
        client.check(CheckRequest { attributes: Some(attributes) }).await.unwrap().into_inner()
    });
    let (status, headers, told) = match answer.http_response.unwrap() {
        HttpResponse::OkResponse(passed) => (200, passed.headers, "x-claviger-application"),
        HttpResponse::DeniedResponse(denied) => {
            (denied.status.unwrap().code, denied.headers, "x-claviger-code")
        }
        HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
    };
    let mut headers = headers.into_iter().filter_map(|option| option.header);
    (status, headers.find(|header| header.key == told).unwrap().value)
}

#[test]
fn f1_envoy_asks_a_data_node_as_it_asks_any_other() {
    let mut scene = Installation::on_its_own_postgres();
    let (_node, server) = scene.running("edge");
    let (status, application) = envoy_asks(&scene, &server);
    assert_eq!((status, &*application), (200, &*envoy_asks(&scene, &scene.control).1));
    scene.act("suspend");
    let answered = Instant::now();
    loop {
        let asked = answered.elapsed();
        if envoy_asks(&scene, &server) == (401, "suspended".to_owned()) {
            break;
        }
        assert!(asked < BOUND, "too late");
    }
    // And while the database is away.
    scene.postgres.as_mut().unwrap().stop_immediately();
    assert_eq!(envoy_asks(&scene, &server), (401, "suspended".to_owned()));
}
