//! OpenAPI documents of APIs over HTTP: kept as they came, with their history, seen by those who see the API (product.md
//! B3, surface.md "visibility").

use claviger_domain::credential::{CredentialKind, generate};
use claviger_domain::permission::Permission;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::routes::{Stage, document};
use crate::world::World;

const YAML: &str = "# Kept as it came.\nopenapi: 3.0.3\ninfo: {title: Orders, version: '1'}\npaths:\n  /a:\n    get: {responses: {200: {description: It.}}}\n";

/// An API to put documents on.
struct Shelf<'w> {
    world: &'w World,
    path: String,
    api: String,
}

impl<'w> Shelf<'w> {
    async fn new(world: &'w World) -> Self {
        let stage = Stage::set(world, &world.organization_id, "a").await;
        let api = world.api("shelf", &stage.group, &stage.template).await;
        Self { world, path: format!("/v1/apis/{api}/openapi"), api }
    }

    fn put(&self, media_type: &str, text: impl Into<Vec<u8>>) -> Call<'w> {
        self.world.call("PUT", &self.path).by(&self.world.owner).raw(media_type, text)
    }

    async fn get(&self, below: &str) -> Answer {
        self.world.get(&format!("{}{below}", self.path)).send().await
    }
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_kept_as_it_came_with_its_history() {
    let world = World::on_sqlite().await;
    let shelf = Shelf::new(&world).await;
    for below in ["", "/operations"] {
        refused(&shelf.get(below).await, 404, "not_found");
    }
    assert_eq!(world.get(&format!("/v1/apis/{}", shelf.api)).expect(200).await["document"], Value::Null);
    let first = shelf.put("application/yaml", YAML).send().await;
    assert_eq!(first.status, 200, "{first}");
    let etag = first.header("etag").expect("a tag").to_owned();
    let first = first.json();
    for (member, expected) in [
        ("version", json!(1)),
        ("openapi", json!("3.0")),
        ("title", json!("Orders")),
        ("media_type", json!("application/yaml")),
        ("size", json!(YAML.len())),
        ("operations", json!(1)),
        ("source", json!("put")),
    ] {
        assert_eq!(first[member], expected, "{first}");
    }
    let position = world.position().await;
    assert_eq!(shelf.put("application/yaml", YAML).expect(200).await, first, "the same is no news");
    assert_eq!(world.position().await, position);
    let kept = shelf.get("").await;
    assert_eq!((kept.status, kept.bytes.as_slice()), (200, YAML.as_bytes()));
    for (name, value) in [
        ("content-type", "application/yaml"),
        ("content-disposition", "attachment; filename=\"shelf-v1.yaml\""),
        ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("claviger-document-version", "1"),
        ("etag", etag.as_str()),
    ] {
        assert_eq!(kept.header(name), Some(value), "{name}");
    }
    let second = document("Orders, again").to_string();
    shelf.put("application/vnd.oai.openapi+json", second.as_str()).expect(200).await;
    assert_eq!(shelf.get("").await.bytes, second.as_bytes());
    assert_eq!(shelf.get("?version=1").await.bytes, YAML.as_bytes());
    refused(&shelf.get("?version=3").await, 404, "not_found");
    refused(&shelf.get("?version=x").await, 400, "bad_query");
    let versions = shelf.get("/versions").await.json();
    let listed: Vec<_> =
        versions["items"].as_array().expect("items").iter().map(|item| &item["version"]).collect();
    assert_eq!(listed, [2, 1]);
    assert_eq!(versions["items"][1], first);
    let page = shelf.get("/versions?limit=1").await.json();
    let next =
        shelf.get(&format!("/versions?limit=1&cursor={}", page["next_cursor"].as_str().expect("more"))).await;
    assert_eq!((&next.json()["items"][0]["version"], &next.json()["next_cursor"]), (&json!(1), &Value::Null));
    let api = world.get(&format!("/v1/apis/{}", shelf.api)).expect(200).await;
    assert_eq!(
        (&api["document"]["version"], &api["document"]["title"]),
        (&json!(2), &json!("Orders, again"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn its_operations_are_listed_as_plain_text() {
    let world = World::on_sqlite().await;
    let shelf = Shelf::new(&world).await;
    shelf.put("application/json", document("Orders").to_string()).expect(200).await;
    let listed = shelf.get("/operations").await.json();
    let operations = listed["items"].as_array().expect("items");
    assert_eq!(operations.len(), 2);
    assert_eq!(
        operations[0],
        json!({
            "method": "GET", "path": "/orders/{id}", "operation_id": "read", "summary": "Read <b>one</b>",
            "description": null, "deprecated": false, "tags": [], "request_body": null,
            "parameters": [{"name": "id", "in": "path", "required": true, "deprecated": false, "description": null}],
            "responses": [{"status": "200", "description": "It."}],
        })
    );
    assert_eq!((&operations[1]["method"], &operations[1]["deprecated"]), (&json!("DELETE"), &json!(true)));
    let page = shelf.get("/operations?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().expect("more").to_owned();
    let next = format!("/operations?limit=1&cursor={cursor}");
    assert_eq!(shelf.get(&next).await.json()["items"][0], operations[1]);
    shelf.put("application/yaml", YAML).expect(200).await;
    refused(&shelf.get(&next).await, 400, "bad_query");
    refused(&shelf.get("/operations?limit=0").await, 400, "bad_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_document_changes_nothing() {
    let world = World::on_sqlite().await;
    let shelf = Shelf::new(&world).await;
    shelf.put("application/yaml", YAML).expect(200).await;
    let position = world.position().await;
    let secret = generate(CredentialKind::Key, |buffer| buffer.fill(7)).value;
    let secret = YAML.replace("Orders", secret.expose());
    for (text, pointer) in [
        ("", ""),
        ("{", ""),
        ("a: &x 1", "/a"),
        ("openapi: 3.1.0", ""),
        ("openapi: 3.1.0\ninfo: {title: t, version: 1.0}\npaths: {}", "/info/version"),
        (
            "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {/a: {$ref: 'https://elsewhere.example/a'}}",
            "/paths/~1a/$ref",
        ),
        ("swagger: '2.0'", "/openapi"),
        (&secret, "/info/title"),
    ] {
        let answer = shelf.put("application/yaml", text).send().await;
        refused(&answer, 422, "invalid");
        let pointers = answer.pointers();
        assert!(pointers.iter().any(|named| named.starts_with(pointer)), "{text}: {answer}");
    }
    let large = vec![b' '; (5 << 20) + 1];
    refused(&shelf.put("application/json", large).send().await, 413, "too_large");
    for media_type in ["text/plain", "application/jsonp", "text/html"] {
        refused(&shelf.put(media_type, YAML).send().await, 415, "unsupported_media_type");
    }
    assert_eq!(world.position().await, position);
    assert_eq!(shelf.get("").await.bytes, YAML.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_changed_only_from_the_state_that_was_seen_and_once() {
    let world = World::on_sqlite().await;
    let shelf = Shelf::new(&world).await;
    let guarded = |etag: &str| shelf.put("application/yaml", YAML).header("if-match", etag);
    for none in ["*", "\"0\""] {
        refused(&guarded(none).send().await, 412, "precondition_failed");
    }
    let put =
        || shelf.put("application/json", document("Orders").to_string()).header("idempotency-key", "one");
    let first = put().send().await;
    assert_eq!(first.status, 200, "{first}");
    let again = put().send().await;
    assert_eq!((again.header("idempotency-replayed"), again.json()), (Some("true"), first.json()));
    refused(
        &shelf.put("application/yaml", YAML).header("idempotency-key", "one").send().await,
        422,
        "invalid",
    );
    let etag = first.header("etag").expect("a tag");
    guarded(etag).expect(200).await;
    refused(&guarded("\"0\"").send().await, 412, "precondition_failed");
    refused(&guarded(etag).send().await, 412, "precondition_failed");
    let events = world.get("/v1/events?kind=api.document_updated").expect(200).await;
    let events = events["items"].as_array().expect("items");
    assert_eq!(events.len(), 2);
    let data = &events[0]["data"];
    assert_eq!((&data["document"]["version"], &data["document"]["source"]), (&json!(2), &json!("put")));
    assert!(!events[0].to_string().contains("Kept as it came"), "the bytes are beside the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_the_api_sees_its_document_and_owners_alone_its_history() {
    let world = World::on_sqlite().await;
    let shelf = Shelf::new(&world).await;
    shelf.put("application/yaml", YAML).expect(200).await;
    let other = world.organization("Other").await;
    let everything: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    let stranger = world.service_key("stranger", &other, &everything).await.1;
    let asked =
        async |below: &str| world.call("GET", &format!("{}{below}", shelf.path)).by(&stranger).send().await;
    for below in ["", "/operations", "/versions", "?version=1"] {
        refused(&asked(below).await, 404, "not_found");
    }
    let body = json!({"visibility": "all"});
    world.call("PATCH", &format!("/v1/apis/{}", shelf.api)).by(&world.owner).json(&body).expect(200).await;
    assert_eq!(asked("").await.bytes, YAML.as_bytes());
    assert_eq!(asked("/operations").await.json()["items"][0]["path"], "/a");
    for below in ["/versions", "?version=1"] {
        refused(&asked(below).await, 404, "not_found");
    }
    let put = world.call("PUT", &shelf.path).by(&stranger).raw("application/yaml", YAML).send().await;
    refused(&put, 403, "forbidden");
    let reader = world.service_key("reader", &world.organization_id, &["apis:read"]).await.1;
    let versions = world.call("GET", &format!("{}/versions", shelf.path)).by(&reader).expect(200).await;
    assert_eq!(versions["items"][0]["created_by"]["kind"], "service_key");
    let put = world.call("PUT", &shelf.path).by(&reader).raw("application/yaml", YAML).send().await;
    refused(&put, 403, "forbidden");
    assert_eq!(put.json()["permission"], "apis:openapi");
}
