//! Bad input over every route, driven by the document's own schemas: each is answered with the 4xx that
//! surface.md says, naming the field; nothing is written, and nothing is ever a 500.

use serde_json::{Value, json};

use crate::call::Answer;
use crate::routes::{Ready, Route, Stage, all};
use crate::world::World;

/// Fits no member of any body: neither text, nor a whole number, nor anything else.
fn misfit() -> Value {
    json!(7.5)
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer}");
}

fn names(answer: &Answer, pointer: &str) {
    assert_eq!(answer.status, 422, "{pointer}: {answer}");
    let pointers = answer.pointers();
    assert!(pointers.iter().any(|named| named.starts_with(pointer)), "{pointer} is not named: {answer}");
}

/// Bodies that no route takes, before anything is known of its members.
async fn unreadable_bodies(world: &World, route: &Route, ready: &Ready) {
    let send = async |content_type: &str, body: Vec<u8>| {
        world.call(&route.method, &ready.path).by(&world.owner).raw(content_type, body).send().await
    };
    let json = "application/json";
    let nested = format!("{}{}", "[".repeat(33), "]".repeat(33));
    let size = if route.path.ends_with("/bulk") || route.path.ends_with("/batch") { 4 } else { 1 };
    for (content_type, body, status, code) in [
        (json, b"{".to_vec(), 400, "not_json"),
        (json, b"{\"a\":\"\xff\"}".to_vec(), 400, "not_json"),
        (json, br#"{"a":"\ud800"}"#.to_vec(), 400, "not_json"),
        (json, br#"{"name":"a","name":"b"}"#.to_vec(), 400, "not_json"),
        (json, nested.into_bytes(), 400, "not_json"),
        (json, b"null".to_vec(), 422, "invalid"),
        (json, b"[]".to_vec(), 422, "invalid"),
        (json, b"\"text\"".to_vec(), 422, "invalid"),
        ("text/plain", b"{}".to_vec(), 415, "unsupported_media_type"),
        (json, vec![b' '; (size << 20) + 1], 413, "too_large"),
    ] {
        refused(&send(content_type, body).await, status, code);
    }
}

/// The schema of the body, with its references followed, and whether it may be left out.
fn schema_of(document: &Value, route: &Route) -> Option<Value> {
    let schema = &route.operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = if schema["oneOf"].is_array() { &schema["oneOf"][1] } else { schema };
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    Some(document["components"]["schemas"][name].clone())
}

/// One member after the other is made a misfit, left out though required, or joined by an unknown one.
async fn misfits(world: &World, route: &Route, ready: &Ready, schema: &Value, at: &str) {
    let whole = ready.body.clone().unwrap_or_else(|| json!({}));
    let send =
        async |body: &Value| world.call(&route.method, &ready.path).by(&world.owner).json(body).send().await;
    let mut unknown = whole.clone();
    put(&mut unknown, &format!("{at}/nonsense"), json!(1));
    names(&send(&unknown).await, &format!("{at}/nonsense"));
    for member in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
        let pointer = format!("{at}/{member}");
        let mut wrong = whole.clone();
        put(&mut wrong, &pointer, misfit());
        names(&send(&wrong).await, &pointer);
    }
    for member in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut missing = whole.clone();
        let parent = missing.pointer_mut(at).and_then(Value::as_object_mut).expect("an object");
        parent.remove(member);
        names(&send(&missing).await, &format!("{at}/{member}"));
    }
}

fn put(body: &mut Value, pointer: &str, value: Value) {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    body.pointer_mut(parent).expect("a parent")[member] = value;
}

/// Texts that are no names, instants that are none, and secrets where none belongs.
async fn bad_values(world: &World, route: &Route, ready: &Ready, schema: &Value, at: &str) {
    let whole = ready.body.clone().unwrap_or_else(|| json!({}));
    let secret = claviger_domain::credential::generate(
        claviger_domain::credential::CredentialKind::Secret,
        |buffer| buffer.fill(9),
    );
    let secret = format!("see {}", secret.value.expose());
    let send = async |pointer: &str, value: Value| {
        let mut body = whole.clone();
        put(&mut body, pointer, value);
        world.call(&route.method, &ready.path).by(&world.owner).json(&body).send().await
    };
    for (member, _) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{at}/{member}");
        let bad: &[Value] = match member.as_str() {
            "name" => &[json!(""), json!(" "), json!("x".repeat(101)), json!("a\u{7}b"), json!("a\u{202e}b")],
            "reason" | "description" | "note" => &[json!("a\u{0}b"), json!("x".repeat(1001))],
            "slug" => &[json!("No"), json!("-a"), json!("é"), json!("a".repeat(64))],
            "expires_at" => {
                &[json!("yesterday"), json!("2020-01-01T00:00:00Z"), json!("99999-01-01T00:00:00Z")]
            }
            "ip_allow_list" => &[json!(["10.0.0.0/33"]), json!(["here"]), json!([])],
            "expires_after" | "rotates_every" => {
                &[json!("P0D"), json!("P101Y"), json!("1 day"), json!("-P1D")]
            }
            "permissions" if route.collection() == "permission_groups" => &[json!(["keys:fly"]), json!([])],
            _ if member.ends_with("_id") => &[json!("nonsense"), json!("org_7zzzzzzzzzzzzzzzzzzzzzzzzz")],
            _ => &[],
        };
        for value in bad {
            names(&send(&pointer, value.clone()).await, &pointer);
        }
        if ["name", "reason", "description", "note"].contains(&member.as_str()) {
            let answer = send(&pointer, json!(secret)).await;
            refused(&answer, 422, "looks_like_a_secret");
            names(&answer, &pointer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_taken_that_does_not_fit() {
    let world = World::on_sqlite().await;
    let organization = world.organization_id.clone();
    let stage = Stage::set(&world, &organization, "a").await;
    let document = claviger_api::document();
    for route in all() {
        let ready = stage.ready(&route).await.expect("a line");
        let Some(schema) = schema_of(&document, &route) else { continue };
        let before = world.position().await;
        unreadable_bodies(&world, &route, &ready).await;
        match document_item(&document, &schema, &ready) {
            Some(item) => {
                misfits(&world, &route, &ready, &item, "/items/0").await;
                bad_values(&world, &route, &ready, &item, "/items/0").await;
                sizes(&world, &route, &ready).await;
            }
            None => {
                misfits(&world, &route, &ready, &schema, "").await;
                bad_values(&world, &route, &ready, &schema, "").await;
            }
        }
        assert_eq!(world.position().await, before, "{} wrote for a bad body", route.name());
    }
}

/// Of a body with many items: the schema of one.
fn document_item(document: &Value, schema: &Value, ready: &Ready) -> Option<Value> {
    ready.body.as_ref()?.get("items")?;
    let item = &schema["properties"]["items"]["items"];
    let name = item["$ref"].as_str()?.rsplit('/').next()?;
    Some(document["components"]["schemas"][name].clone())
}

async fn sizes(world: &World, route: &Route, ready: &Ready) {
    let item = ready.body.as_ref().expect("a body")["items"][0].clone();
    for items in [vec![], vec![item; 1_001]] {
        let body = json!({"items": items});
        let answer = world.call(&route.method, &ready.path).by(&world.owner).json(&body).send().await;
        names(&answer, "/items");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_is_taken_that_is_not_known() {
    let world = World::on_sqlite().await;
    let organization = world.organization_id.clone();
    let stage = Stage::set(&world, &organization, "a").await;
    let cursor = cursor_of_groups(&world, &organization).await;
    for route in all().into_iter().filter(|route| route.method == "GET") {
        let ready = stage.ready(&route).await.expect("a line");
        let mut bad = vec![
            ("nonsense", "1".to_owned()),
            ("wait_for", "soon".to_owned()),
            ("wait_for", "-1".to_owned()),
            ("wait_for", "1&wait_for=2".to_owned()),
        ];
        if route.is_list() {
            for (name, value) in [
                ("limit", "0"),
                ("limit", "201"),
                ("limit", "ten"),
                ("limit", "10&limit=20"),
                ("sort", "-nonsense"),
                ("sort", ""),
                ("count", "maybe"),
                ("cursor", "nonsense"),
                ("cursor", ""),
                ("cursor", cursor.as_str()),
            ] {
                bad.push((name, value.to_owned()));
            }
        }
        for name in route.query_parameters() {
            match name.as_str() {
                "q" => bad.push(("q", "%ff".to_owned())),
                "status" | "audience" | "auth_type" | "exposed" => {
                    bad.push((name.clone().leak(), "maybe".to_owned()));
                }
                _ if name.ends_with("_after") || name.ends_with("_before") => {
                    bad.push((name.clone().leak(), "yesterday".to_owned()));
                }
                _ => {}
            }
        }
        for (name, value) in bad {
            if name == "cursor" && route.path == "/v1/groups" && value == cursor {
                continue;
            }
            let separator = if ready.path.contains('?') { '&' } else { '?' };
            let answer = world.get(&format!("{}{separator}{name}={value}", ready.path)).send().await;
            refused(&answer, 400, "bad_query");
            assert_eq!(answer.json()["parameter"], name, "{answer}");
            let detail = answer.json()["detail"].to_string();
            let said = detail.split_once("` ").map(|(_, said)| said.to_owned()).unwrap_or_default();
            assert!(said.starts_with("must be ") || said.starts_with("is "), "no sentence: {answer}");
        }
    }
}

/// A cursor that is good, but for another list.
async fn cursor_of_groups(world: &World, organization: &str) -> String {
    world.group(organization, "first").await;
    let page = world.get("/v1/groups?limit=1").expect(200).await;
    page["next_cursor"].as_str().expect("a cursor").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_is_not_found() {
    let world = World::on_sqlite().await;
    for route in all().into_iter().filter(|route| route.path.contains('{')) {
        for nonsense in ["nonsense", "%00", "%ff", "..%2f..", &"x".repeat(2_000)] {
            let path = route.path.replace("{id}", nonsense).replace("{key_id}", nonsense);
            let path = path.replace("{role_grant_id}", nonsense);
            let call = world.call(&route.method, &path).by(&world.owner);
            let needs_body = route.operation.get("requestBody").is_some_and(|body| body["required"] == true);
            let answer = if needs_body { call.json(&json!({})).send().await } else { call.send().await };
            assert!(matches!(answer.status, 404 | 422 | 400), "{answer}");
            assert!(answer.status == 404 || route.method != "GET" || path.ends_with("impact"), "{answer}");
        }
    }
}
