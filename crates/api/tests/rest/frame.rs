//! What surrounds all routes.

use serde_json::json;

use crate::call::Call;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_id_and_keeps_browsers_from_harm() {
    let world = World::on_sqlite().await;
    let taken = world.call("GET", "/healthz").header("x-request-id", "mine-7").send().await;
    assert_eq!((taken.status, taken.header("x-request-id")), (200, Some("mine-7")));
    for unfit in ["", "a b", "x\"y", &"x".repeat(129), &world.owner] {
        let answer = world.call("GET", "/nowhere").header("x-request-id", unfit).send().await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert!(id.starts_with("req_") && id != unfit, "{unfit:?} became {id}");
        assert_eq!(answer.json()["request_id"], json!(id));
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(taken.header(name), Some(value), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_too() {
    let world = World::on_sqlite().await;
    let nowhere = world.get("/v1/nowhere").send().await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "not_found"));
    let method = world.call("PUT", "/v1/applications").by(&world.owner).send().await;
    assert_eq!((method.status, method.code().as_str()), (405, "method_not_allowed"));
    let allow = method.header("allow").expect("Allow");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let head = world.call("HEAD", "/v1/applications").by(&world.owner).send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    let large = world.get("/healthz").header("x-large", &"x".repeat(33 << 10)).send().await;
    assert_eq!((large.status, large.code().as_str()), (431, "headers_too_large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_need_no_key() {
    let world = World::on_sqlite().await;
    assert_eq!(world.call("GET", "/healthz").expect(200).await, json!({"status": "ok"}));
    assert_eq!(world.call("GET", "/readyz").expect(200).await, json!({"status": "ready"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_is_whole_and_calls_nowhere_else() {
    let world = World::on_sqlite().await;
    let page = world.call("GET", "/docs").send().await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    assert!(!page.text().contains("://"), "the page names another place");
    let sources: Vec<_> = page.text().match_indices("src=\"").map(|(at, _)| at).collect();
    assert_eq!(sources.len(), 2);
    for file in ["/docs/scalar.js", "/docs/setup.js", "/openapi.json", "/docs"] {
        let answer = world.call("GET", file).send().await;
        assert_eq!(answer.status, 200, "{file}");
        let etag = answer.header("etag").expect("a tag").to_owned();
        let again = world.call("GET", file).header("if-none-match", &etag).send().await;
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{file}");
    }
    let script = world.call("GET", "/docs/scalar.js").send().await;
    assert_eq!(script.header("content-encoding"), Some("gzip"));
    assert_eq!(script.bytes[..2], [0x1f, 0x8b]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_what_every_route_can_answer() {
    let document = claviger_api::document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let text = document.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name: String = text[at + 21..].chars().take_while(|c| *c != '"').collect();
        assert!(schemas.contains_key(&name), "nothing says what {name} is");
    }
    let mut ids = std::collections::BTreeSet::new();
    for route in crate::routes::all() {
        let operation = &route.operation;
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        assert!(ids.insert(id.clone()), "two operations are called {id}");
        assert!(operation["summary"].is_string(), "{} has no summary", route.name());
        for status in ["400", "401", "429", "500", "503"] {
            assert!(operation["responses"][status].is_object(), "{} lacks {status}", route.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_guess_service_keys_are_slowed_and_others_are_not() {
    let world = World::on_sqlite().await;
    let guess =
        || world.call("GET", "/v1/groups").by("clv_svc_nonsense").header("x-forwarded-for", "203.0.113.9");
    let mut statuses = Vec::new();
    for _ in 0..130 {
        statuses.push(guess().send().await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses[129], 429, "after 120 failures within a minute");
    let slowed = guess().send().await;
    assert_eq!(slowed.code(), "too_many_requests");
    assert!(slowed.header("retry-after").is_some());
    let good = world.get("/v1/groups").header("x-forwarded-for", "203.0.113.9").send().await;
    assert_eq!(good.status, 200, "a good key is never refused for a stranger's sake");
    let other = guess().header("x-forwarded-for", "203.0.113.10").send().await;
    assert_eq!(other.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn g9_behind_a_path_prefix_places_are_told_with_it() {
    let world = World::on_sqlite().await;
    let router = world.router_at("https://example.com/keys/");
    let body = json!({"name": "Shop", "group_id": world.default_group(&world.organization_id).await});
    let made = Call::new(&router, "POST", "/v1/applications").by(&world.owner).json(&body).send().await;
    assert!(
        made.header("location").is_some_and(|place| place.starts_with("/keys/v1/applications/app_")),
        "{made}"
    );
    let document = Call::new(&router, "GET", "/openapi.json").send().await.json();
    assert_eq!(document["servers"], json!([{"url": "/keys"}]));
}
