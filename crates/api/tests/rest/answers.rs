//! The main answers as they are, and what all writes and lists have in common.

use serde_json::{Value, json};

use crate::routes::Stage;
use crate::world::World;

async fn staged(world: &World) -> Stage<'_> {
    let organization = world.organization_id.clone();
    Stage::set(world, &organization, "a").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_answers_look_like_this() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let application = world.application("Shop", &stage.group).await;
    let subscription = world.subscribe(&application, "a-orders").await;
    insta::assert_json_snapshot!("subscription", subscription);
    let set = subscription["key_sets"][0]["id"].as_str().expect("an id");
    insta::assert_json_snapshot!("key_set", world.get(&format!("/v1/key-sets/{set}")).expect(200).await);
    insta::assert_json_snapshot!(
        "timeline",
        world.get(&format!("/v1/key-sets/{set}/timeline")).expect(200).await
    );
    let retrieved = world.act(&format!("/v1/key-sets/{set}/retrieve")).expect(200).await;
    insta::assert_json_snapshot!("retrieved", retrieved, {".key" => "clv_key_…"});
    let question = json!({"credential": {"key": retrieved["key"]}, "api": "a-orders"});
    insta::assert_json_snapshot!("decision", world.post("/v1/verify", &question).expect(200).await);
    let revoked = world.act(&format!("/v1/key-sets/{set}/revoke")).expect(200).await;
    insta::assert_json_snapshot!("revoked", revoked["keys"]);
    let again = world.act(&format!("/v1/key-sets/{set}/suspend")).expect(409).await;
    insta::assert_json_snapshot!("invalid_transition", again);
    let event = world.get(&format!("/v1/events?subject_id={set}&kind=key_set.revoked")).expect(200).await;
    insta::assert_json_snapshot!("event", event["items"][0], {".hash" => "…", ".previous_hash" => "…"});
    insta::assert_json_snapshot!("service_key", world.get("/v1/service-keys/current").expect(200).await);
    insta::assert_json_snapshot!("api", world.get("/v1/apis/a-orders").expect(200).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_says_where_it_took_effect_and_can_be_waited_for() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let body = json!({"name": "Shop", "group_id": stage.group});
    let made = world.post("/v1/applications", &body).send().await;
    assert_eq!(made.status, 201, "{made}");
    let position: i64 = made.header("claviger-position").expect("a position").parse().expect("a number");
    assert_eq!(position, world.position().await);
    let location = made.header("location").expect("a place").to_owned();
    assert_eq!(location, format!("/v1/applications/{}", made.json()["id"].as_str().expect("an id")));
    let read = world.get(&format!("{location}?wait_for={position}")).send().await;
    assert_eq!((read.status, read.header("etag")), (200, made.header("etag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_has_passed_is_not_written_over() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let path = format!("/v1/applications/{}", world.application("Shop", &stage.group).await);
    let etag = world.get(&path).send().await.header("etag").expect("a tag").to_owned();
    let rename = |name: &str| world.patch(&path, &json!({"name": name}));
    let renamed = rename("Store").header("if-match", &etag).send().await;
    assert_eq!(renamed.status, 200, "{renamed}");
    assert_ne!(renamed.header("etag"), Some(etag.as_str()));
    let late = rename("Market").header("if-match", &etag).send().await;
    assert_eq!((late.status, late.code().as_str()), (412, "precondition_failed"));
    let late = world.delete(&path).header("if-match", &etag).send().await;
    assert_eq!(late.status, 412);
    assert_eq!(world.get(&path).expect(200).await["name"], "Store");
    let torn = rename("Market").header("if-match", etag.trim_matches('"')).send().await;
    assert_eq!((torn.status, torn.code().as_str()), (400, "bad_header"), "{torn}");
    rename("Market").header("if-match", "*").expect(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_repeated_under_its_key_does_nothing_twice_and_tells_no_secret_again() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let group = world.permission_group("weak", &stage.organization, &["groups:read"]).await;
    let body = json!({"name": "Deploy", "permission_group_ids": [group]});
    let make = |body: &Value, key: &str| world.post("/v1/service-keys", body).header("idempotency-key", key);
    let first = make(&body, "k1").send().await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{first}");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let position = world.position().await;
    let again = make(&body, "k1").send().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{again}");
    let (mut told, retold) = (first.json(), again.json());
    assert!(told["key"].as_str().is_some_and(|key| key.starts_with("clv_svc_")));
    told.as_object_mut().expect("an object").remove("key");
    assert_eq!(told, retold);
    let other = json!({"name": "Other", "permission_group_ids": [group]});
    assert_eq!(make(&other, "k1").send().await.status, 422, "another body under the same key");
    assert_eq!(world.position().await, position, "nothing was written twice");
    let later = make(&other, "k2").send().await;
    assert_eq!((later.status, later.header("idempotency-replayed")), (201, None));
    for unfit in ["", &"x".repeat(256)] {
        let answer = make(&body, unfit).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_header"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_both_ways() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    for number in 0..7 {
        world.application(&format!("App {number}"), &stage.group).await;
        world.clock.advance_seconds(1);
    }
    let list = "/v1/applications?limit=3&sort=name&count=true";
    let page = world.get(list).expect(200).await;
    assert_eq!((names(&page), &page["total"]), (vec!["App 0", "App 1", "App 2"], &json!(7)));
    assert_eq!(page["previous_cursor"], Value::Null);
    let next = world.get(&with_cursor(list, &page["next_cursor"])).expect(200).await;
    assert_eq!(names(&next), ["App 3", "App 4", "App 5"]);
    let last = world.get(&with_cursor(list, &next["next_cursor"])).expect(200).await;
    assert_eq!((names(&last), &last["next_cursor"]), (vec!["App 6"], &Value::Null));
    let back = world.get(&with_cursor(list, &last["previous_cursor"])).expect(200).await;
    assert_eq!(names(&back), names(&next));
    let newest = world.get("/v1/applications?limit=1").expect(200).await;
    assert_eq!(names(&newest), ["App 6"], "the newest first, if nothing else is said");
    let other = world.get(&with_cursor("/v1/applications?limit=3&sort=name&q=app", &page["next_cursor"]));
    assert_eq!(other.send().await.code(), "bad_query", "a cursor is bound to its filters");
}

fn with_cursor(list: &str, cursor: &Value) -> String {
    format!("{list}&cursor={}", cursor.as_str().expect("a cursor"))
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().expect("items").iter().filter_map(|item| item["name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_made_or_none() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let item = |name: &str| json!({"name": name, "group_id": stage.group});
    let made = world.post("/v1/applications/bulk", &json!({"items": [item("One"), item("Two")]}));
    assert_eq!(names(&made.expect(201).await), ["One", "Two"]);
    let before = world.position().await;
    let refused = world.post("/v1/applications/bulk", &json!({"items": [item("Three"), item("two")]}));
    let refused = refused.send().await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "name_taken"), "{refused}");
    assert_eq!(refused.pointers(), ["/items/1/name"]);
    assert_eq!(world.position().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_exported_line_by_line_and_says_so() {
    let world = World::on_sqlite().await;
    staged(&world).await;
    let before = world.position().await;
    let answer = world.get("/v1/events?format=ndjson").send().await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let positions: Vec<_> = lines.iter().filter_map(|event| event["position"].as_i64()).collect();
    assert!(positions.is_sorted() && positions.first() == Some(&1), "{positions:?}");
    assert!(positions.contains(&before));
    let newest = world.get("/v1/events?limit=1").expect(200).await;
    assert_eq!(newest["items"][0]["kind"], "log.exported");
}

#[tokio::test(flavor = "multi_thread")]
async fn f7_which_key_tells_what_a_pasted_value_is() {
    let world = World::on_sqlite().await;
    let stage = staged(&world).await;
    let credential = stage.credential().await;
    let ask = |value: &str| world.post("/v1/which-key", &json!({"value": value}));
    let told = ask(&format!(" {credential}\n")).expect(200).await;
    assert_eq!((&told["kind"], &told["status"]), (&json!("key"), &json!("active")));
    assert_eq!(ask(&world.owner).expect(200).await["kind"], "service_key");
    let typo = format!("{}x", &credential[..credential.len() - 1]);
    for unknown in [typo.as_str(), "clv_key_nonsense", ""] {
        ask(unknown).expect(404).await;
    }
    for _ in 5..30 {
        ask(&credential).expect(200).await;
    }
    let too_many = ask(&credential).send().await;
    assert_eq!((too_many.status, too_many.code().as_str()), (429, "too_many_requests"));
    let seconds: i64 = too_many.header("retry-after").expect("a time").parse().expect("a number");
    world.clock.advance_seconds(seconds);
    ask(&credential).expect(200).await;
    let log = world.get("/v1/events?format=ndjson").send().await.text();
    assert!(log.contains("key_set.created") && !log.contains(&credential));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_answers_alike() {
    let database = claviger_testkit::Postgres::shared().create_database();
    let world = World::on_postgres(&database).await;
    let stage = staged(&world).await;
    let set = stage.key_set().await;
    for act in ["suspend", "activate", "regenerate", "revoke", "issue"] {
        world.act(&format!("/v1/key-sets/{set}/{act}")).expect(200).await;
    }
    let refused = world.act(&format!("/v1/key-sets/{set}/activate")).expect(409).await;
    assert_eq!(refused["code"], "invalid_transition");
    let timeline = world.get(&format!("/v1/key-sets/{set}/timeline")).expect(200).await;
    assert!(timeline["items"].as_array().is_some_and(|items| items.len() >= 5), "{timeline}");
}
