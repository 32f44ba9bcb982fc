//! The portal over HTTP: who gets in, what they see, and how a secret is set (product.md C5, C6).

use claviger_domain::credential::{CredentialKind, generate};
use serde_json::{Value, json};

use crate::call::Answer;
use crate::routes::{Stage, document, id_of};
use crate::world::World;

/// An outside key with its portal link, in the customer's hands.
struct Visitor<'w> {
    stage: Stage<'w>,
    api: String,
    id: String,
    key: String,
    token: String,
}

const TYPED: &str = "tumbling violet otters 7";

impl<'w> Visitor<'w> {
    async fn of(world: &'w World, requires: &str) -> Self {
        let stage = Stage::set(world, &world.organization_id, "a").await;
        let (api, made) = stage.shared_key("outside").await;
        let body = json!({"requires": requires});
        world.call("PATCH", &format!("/v1/apis/{api}")).by(&world.owner).json(&body).expect(200).await;
        let (id, key) = (id_of(&made), made["key"].as_str().expect("this once").to_owned());
        let mut visitor = Self { stage, api, id, key, token: String::new() };
        visitor.token = visitor.new_link(&json!({})).await;
        visitor
    }

    fn world(&self) -> &'w World {
        self.stage.world
    }

    /// A new link's token, from the fragment.
    async fn new_link(&self, body: &Value) -> String {
        let path = format!("/v1/shared-keys/{}/portal-link", self.id);
        let link = self.world().post(&path, body).expect(200).await;
        let url = link["url"].as_str().expect("this once");
        let (page, token) = url.split_once('#').expect("a fragment");
        assert!(page.ends_with("/portal"), "{page}");
        token.to_owned()
    }

    async fn read_by(&self, token: &str) -> Answer {
        self.world().call("GET", "/v1/portal").by(token).send().await
    }

    async fn set(&self, body: &Value) -> Answer {
        self.world().call("POST", "/v1/portal/secret").by(&self.token).json(body).send().await
    }

    /// The code of a call with the key and this secret.
    async fn code_with(&self, secret: &str) -> String {
        let body = json!({"credential": {"key": self.key, "secret": secret}, "api": self.api});
        let decided = self.world().post("/v1/verify", &body).expect(200).await;
        if decided["allowed"] == true {
            assert!(decided["application"].is_null() && decided["key_id"] == self.id.as_str(), "{decided}");
        }
        decided["code"].as_str().expect("a code").to_owned()
    }

    /// The session's cookie, as a browser sends it.
    async fn session(&self) -> String {
        let body = json!({"token": self.token});
        let answer = self.world().call("POST", "/v1/portal/session").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer}");
        assert!(!answer.text().contains("claviger_portal"), "the value is in the cookie alone");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let cookie = answer.header("set-cookie").expect("a cookie");
        for attribute in ["Max-Age=900", "Path=/v1/portal", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_the_link_shows_its_api_and_nothing_else() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key_and_secret").await;
    let portal = visitor.read_by(&visitor.token).await;
    assert_eq!(portal.status, 200, "{portal}");
    let portal = portal.json();
    assert_eq!(portal["api"]["requires"], "key_and_secret");
    assert_eq!(portal["api"]["key_header"], "x-api-key");
    assert_eq!(portal["api"]["environments"], json!(["production", "sandbox"]));
    assert_eq!(portal["key"]["id"], visitor.id.as_str());
    assert_eq!((&portal["key"]["secret_set"], &portal["key"]["secret_typed"]), (&json!(false), &json!(true)));
    assert!(portal["api"].get("upstreams").is_none() && portal["api"].get("ip_allow_list").is_none());
    // Not a service key, and a service key is no link.
    refused(&world.call("GET", "/v1/apis").by(&visitor.token).send().await, 401, "unauthenticated");
    refused(&visitor.read_by(&world.owner).await, 401, "unauthenticated");
    let never = generate(CredentialKind::Portal, |buffer| buffer.fill(9)).value;
    refused(&visitor.read_by(never.expose()).await, 401, "unauthenticated");
    refused(&visitor.read_by("clv_portal_wrong").await, 401, "unauthenticated");
    let nobody = world.call("GET", "/v1/portal").send().await;
    refused(&nobody, 401, "unauthenticated");
    assert!(nobody.header("www-authenticate").is_some());
    refused(&world.call("GET", "/v1/portal?x=1").by(&visitor.token).send().await, 400, "bad_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_link_ends_when_it_is_replaced_withdrawn_or_over() {
    let world = World::on_sqlite().await;
    let mut visitor = Visitor::of(&world, "key").await;
    let (first, cookie) = (visitor.token.clone(), visitor.session().await);
    let by_session = || world.call("GET", "/v1/portal").header("cookie", &cookie);
    by_session().expect(200).await;
    visitor.token = visitor.new_link(&json!({})).await;
    refused(&visitor.read_by(&first).await, 401, "unauthenticated");
    refused(&by_session().send().await, 401, "unauthenticated");
    assert_eq!(visitor.read_by(&visitor.token).await.status, 200);
    let path = format!("/v1/shared-keys/{}/portal-link", visitor.id);
    world.call("DELETE", &path).by(&world.owner).expect(204).await;
    refused(&visitor.read_by(&visitor.token).await, 401, "unauthenticated");
    visitor.token = visitor.new_link(&json!({"expires_at": "2027-01-15T08:10:00Z"})).await;
    let cookie = visitor.session().await;
    let by_session = || world.call("GET", "/v1/portal").header("cookie", &cookie);
    by_session().expect(200).await;
    world.clock.advance_seconds(600);
    refused(&visitor.read_by(&visitor.token).await, 401, "unauthenticated");
    refused(&by_session().send().await, 401, "unauthenticated");
    world.call("DELETE", &format!("/v1/shared-keys/{}", visitor.id)).by(&world.owner).expect(204).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_session_lasts_fifteen_minutes_and_changes_nothing_for_another_site() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key_and_secret").await;
    let cookie = visitor.session().await;
    let asked = |method: &str, path: &str| world.call(method, path).header("cookie", &cookie);
    asked("GET", "/v1/portal").expect(200).await;
    refused(&asked("POST", "/v1/portal/secret").send().await, 401, "unauthenticated");
    let from_elsewhere = asked("POST", "/v1/portal/secret").header("sec-fetch-site", "cross-site");
    refused(&from_elsewhere.send().await, 401, "unauthenticated");
    let own = asked("POST", "/v1/portal/secret").header("sec-fetch-site", "same-origin");
    let secret = own.expect(200).await["secret"].as_str().expect("this once").to_owned();
    assert_eq!(visitor.code_with(&secret).await, "valid");
    refused(&world.call("GET", "/v1/apis").header("cookie", &cookie).send().await, 401, "unauthenticated");
    let twice = format!("{cookie}; {cookie}");
    refused(&world.call("GET", "/v1/portal").header("cookie", &twice).send().await, 401, "unauthenticated");
    let other = visitor.session().await;
    let leave = world.call("DELETE", "/v1/portal/session").header("cookie", &other);
    let left = leave.header("sec-fetch-site", "same-origin").send().await;
    assert!(left.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "{left}");
    refused(&world.call("GET", "/v1/portal").header("cookie", &other).send().await, 401, "unauthenticated");
    world.clock.advance_seconds(899);
    asked("GET", "/v1/portal").expect(200).await;
    world.clock.advance_seconds(1);
    refused(&asked("GET", "/v1/portal").send().await, 401, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_secret_is_generated_or_typed_and_the_present_one_is_asked_for() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key_and_secret").await;
    let before = world.position().await;
    for (wrong, pointer) in [
        (json!({"secret": "too short"}), "/secret"),
        (json!({"secret": "passwordpassword1234"}), "/secret"),
        (json!({"secret": visitor.key}), "/secret"),
        (json!({"secret": 7}), "/secret"),
        (json!({"nonsense": 1}), "/nonsense"),
    ] {
        let answer = visitor.set(&wrong).await;
        assert_eq!(answer.status, 422, "{answer}");
        assert_eq!(answer.pointers(), [pointer], "{answer}");
    }
    assert_eq!(world.position().await, before, "nothing was written");
    let generated = visitor.set(&json!({})).await;
    assert_eq!(generated.header("cache-control"), Some("no-store"));
    let first = generated.json()["secret"].as_str().expect("this once").to_owned();
    assert_eq!(visitor.code_with(&first).await, "valid", "before the answer left");
    for current in [json!({"secret": TYPED}), json!({"secret": TYPED, "current_secret": "wrong"})] {
        let answer = visitor.set(&current).await;
        assert_eq!((answer.status, answer.pointers()), (422, vec!["/current_secret".to_owned()]), "{answer}");
    }
    let typed = visitor.set(&json!({"secret": TYPED, "current_secret": first})).await;
    assert_eq!((typed.status, typed.json()), (200, json!({"secret_set": true})), "{typed}");
    assert_eq!(visitor.code_with(TYPED).await, "valid");
    assert_eq!(visitor.code_with(&first).await, "secret_mismatch", "the old one dies at once");
    let again = visitor.set(&json!({"current_secret": TYPED})).await;
    assert_eq!(again.status, 200, "{again}");
    world.act(&format!("/v1/shared-keys/{}/clear-secret", visitor.id)).expect(200).await;
    assert_eq!(visitor.code_with(TYPED).await, "secret_mismatch");
    assert_eq!(visitor.set(&json!({"secret": TYPED})).await.status, 200, "the owner cleared it");
    world.act(&format!("/v1/shared-keys/{}/disable", visitor.id)).expect(200).await;
    refused(&visitor.set(&json!({"current_secret": TYPED})).await, 409, "invalid_transition");
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_the_owner_is_told_of_each_secret_and_reads_none() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key_and_secret").await;
    let set = || {
        let call =
            world.call("POST", "/v1/portal/secret").by(&visitor.token).header("idempotency-key", "one");
        call.json(&json!({"secret": TYPED}))
    };
    set().expect(200).await;
    let again = set().send().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "{again}");
    let events = world.get("/v1/events?kind=shared_key.secret_set").expect(200).await;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(1), "told again is not done again");
    let event = &events["items"][0];
    assert_eq!((&event["actor"]["kind"], &event["actor"]["id"]), (&json!("portal"), &json!(visitor.id)));
    assert_eq!(event["data"]["origin"], "typed");
    let shown = world.get(&format!("/v1/shared-keys/{}", visitor.id)).expect(200).await;
    assert_eq!(shown["secret_set"], true);
    for told in [events.to_string(), shown.to_string()] {
        assert!(!told.contains(TYPED) && !told.contains("clv_portal_"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_where_the_secret_alone_identifies_none_is_typed() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "secret").await;
    assert_eq!(visitor.read_by(&visitor.token).await.json()["key"]["secret_typed"], false);
    let answer = visitor.set(&json!({"secret": TYPED})).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/secret".to_owned()]), "{answer}");
    let secret = visitor.set(&json!({})).await.json()["secret"].as_str().expect("this once").to_owned();
    let body = json!({"credential": {"secret": secret}, "api": visitor.api});
    let decided = world.post("/v1/verify", &body).expect(200).await;
    assert_eq!((&decided["code"], &decided["key_id"]), (&json!("valid"), &json!(visitor.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_links_and_secrets_is_slowed() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key").await;
    visitor.set(&json!({"secret": TYPED})).await;
    let guess = json!({"current_secret": "not the secret in force"});
    let mut slowed = None;
    for tried in 0..200 {
        let answer = visitor.set(&guess).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some(), "{answer}");
            slowed = Some(tried);
            break;
        }
        assert_eq!(answer.status, 422, "{answer}");
    }
    assert_eq!(slowed, Some(120), "as many as a stranger may fail in a minute");
    assert_eq!(visitor.set(&json!({"current_secret": TYPED})).await.status, 200, "who knows it is let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_the_document_and_its_operations_are_there_for_the_visitor() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key").await;
    let asked = |path: &str| world.call("GET", path).by(&visitor.token);
    assert!(visitor.read_by(&visitor.token).await.json()["api"]["document"].is_null());
    for path in ["/v1/portal/openapi", "/v1/portal/operations"] {
        refused(&asked(path).send().await, 404, "not_found");
        refused(&world.call("GET", path).send().await, 401, "unauthenticated");
    }
    let text = document("Orders").to_string();
    let path = format!("/v1/apis/{}/openapi", visitor.api);
    world.call("PUT", &path).by(&world.owner).raw("application/json", text.as_str()).expect(200).await;
    assert_eq!(visitor.read_by(&visitor.token).await.json()["api"]["document"]["title"], "Orders");
    let kept = asked("/v1/portal/openapi").send().await;
    assert_eq!((kept.status, kept.bytes.as_slice()), (200, text.as_bytes()));
    assert!(kept.header("content-disposition").is_some_and(|value| value.starts_with("attachment")));
    let page = asked("/v1/portal/operations?limit=1").expect(200).await;
    assert_eq!(page["items"][0]["path"], "/orders/{id}");
    let cursor = page["next_cursor"].as_str().expect("more");
    let next = asked(&format!("/v1/portal/operations?limit=1&cursor={cursor}")).expect(200).await;
    assert_eq!((&next["items"][0]["method"], &next["next_cursor"]), (&json!("DELETE"), &Value::Null));
    refused(&asked("/v1/portal/operations?sort=path").send().await, 400, "bad_query");
    world
        .call("DELETE", &format!("/v1/shared-keys/{}/portal-link", visitor.id))
        .by(&world.owner)
        .expect(204)
        .await;
    refused(&asked("/v1/portal/openapi").send().await, 401, "unauthenticated");
}

/// What is tried through a gateway is tested with the whole program; here is what never gets so far.
#[tokio::test(flavor = "multi_thread")]
async fn c5_nobody_tries_with_what_is_not_theirs() {
    let world = World::on_sqlite().await;
    let visitor = Visitor::of(&world, "key").await;
    let tried = |body: Value| world.call("POST", "/v1/portal/try").by(&visitor.token).json(&body);
    let (_, other) = visitor.stage.shared_key("outside").await;
    for (wrong, pointer) in [
        (json!({"method": "GET", "path": "/", "key": other["key"]}), "/key"),
        (json!({"method": "GET", "path": "/", "key": "nonsense"}), "/key"),
        (json!({"method": "GET", "path": "/", "secret": "a guess"}), "/secret"),
        (json!({"method": "CONNECT", "path": "/", "key": visitor.key}), "/method"),
        (json!({"method": "GET", "path": "http://169.254.169.254/", "key": visitor.key}), "/path"),
        (json!({"method": "GET", "path": "/\r\nHost: x", "key": visitor.key}), "/path"),
        (
            json!({"method": "GET", "path": "/", "headers": [{"name": "Host", "value": "x"}]}),
            "/headers/0/name",
        ),
        (
            json!({"method": "GET", "path": "/", "headers": [{"name": "X-API-Key", "value": "x"}]}),
            "/headers/0/name",
        ),
        (json!({"method": "GET", "path": "/", "url": "http://x"}), "/url"),
        (json!({"path": "/"}), "/method"),
    ] {
        let answer = tried(wrong.clone()).send().await;
        assert_eq!((answer.status, answer.pointers()), (422, vec![pointer.to_owned()]), "{wrong}: {answer}");
    }
    let good = json!({"method": "GET", "path": "/", "key": visitor.key});
    refused(&tried(good.clone()).send().await, 503, "gateway_unavailable");
    refused(&tried(good.clone()).header("idempotency-key", "one").send().await, 400, "bad_header");
    let cookie = visitor.session().await;
    let by_session = world.call("POST", "/v1/portal/try").header("cookie", &cookie).json(&good);
    refused(&by_session.header("sec-fetch-site", "cross-site").send().await, 401, "unauthenticated");
    let mut slowed = false;
    for _ in 0..130 {
        slowed |=
            tried(json!({"method": "GET", "path": "/", "secret": "a guess"})).send().await.status == 429;
    }
    assert!(slowed, "who guesses is slowed");
}
