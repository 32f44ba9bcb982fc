//! Two Organizations that are alike. Whatever A asks about a thing of B is answered byte for byte as if it
//! asked about a thing that never was.

use claviger_domain::permission::Permission;
use serde_json::{Value, json};

use crate::call::Answer;
use crate::routes::{Ready, Route, Stage, all};
use crate::world::World;

const PREFIXES: [&str; 16] = [
    "api", "app", "sub", "pol", "kp", "ks", "key", "shk", "svk", "pg", "org", "grp", "mbr", "evt", "rol",
    "job",
];

/// The text with every id of a thing of B turned into one that never was.
fn never(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, length)) = first_id(rest) {
        let (head, tail) = rest.split_at(at + length);
        out.push_str(&head[..at + length - 26]);
        out.push_str("7zzzzzzzzzzzzzzzzzzzzzzzzz");
        rest = tail;
    }
    out + rest
}

/// Where the first id stands, and how long it is.
fn first_id(text: &str) -> Option<(usize, usize)> {
    let starts = |at: usize| PREFIXES.iter().find(|prefix| text[at..].starts_with(&format!("{prefix}_")));
    text.char_indices().find_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        let prefix = starts(at).filter(|_| !before.is_some_and(|c| c.is_ascii_alphanumeric()))?;
        let random = text.get(at + prefix.len() + 1..at + prefix.len() + 27)?;
        let is_id = random.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_id.then_some((at, prefix.len() + 27))
    })
}

fn same(theirs: &Answer, never: &Answer) {
    assert_eq!(theirs.status, never.status, "{theirs}\n{never}");
    assert_eq!(theirs.headers, never.headers, "{theirs}\n{never}");
    // An answer may name what was asked for.
    assert_eq!(self::never(&theirs.text()), self::never(&never.text()));
}

/// An owner of A alone, with every permission there.
async fn owner_of(world: &World, organization: &str) -> String {
    let everything: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    world.service_key("owner of a twin", organization, &everything).await.1
}

struct Twins<'w> {
    world: &'w World,
    b: Stage<'w>,
    key_of_a: String,
}

impl<'w> Twins<'w> {
    async fn meet(world: &'w World) -> Self {
        let a = world.organization("Twin A").await;
        let b = world.organization("Twin B").await;
        Stage::set(world, &a, "a").await;
        let key_of_a = owner_of(world, &a).await;
        Self { world, b: Stage::set(world, &b, "b").await, key_of_a }
    }

    async fn ask(&self, route: &Route, path: &str, body: Option<&Value>) -> Answer {
        let ready = Ready { path: path.to_owned(), body: body.cloned(), status: 0, also: &[] };
        ready.send_by(self.world, route, &self.key_of_a).await
    }

    /// The route with the ids of B, and with ids that never were.
    async fn compare(&self, route: &Route, ready: &Ready) -> bool {
        let body = ready.body.as_ref();
        let unborn = body.map(|body| serde_json::from_str(&never(&body.to_string())).expect("JSON"));
        let path = never(&ready.path);
        if path == ready.path && unborn.as_ref() == body {
            return false;
        }
        let theirs = self.ask(route, &ready.path, body).await;
        same(&theirs, &self.ask(route, &path, unborn.as_ref()).await);
        assert!(!theirs.text().contains("Twin B"), "{theirs}");
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_organization_are_ids_that_never_were() {
    let world = World::on_sqlite().await;
    let twins = Twins::meet(&world).await;
    let mut compared = 0;
    for route in all() {
        let ready = twins.b.ready(&route).await.expect("a line");
        let before = world.position().await;
        // Deciding and identifying answer by what is proved; they have their own rows below.
        if !matches!(route.collection().as_str(), "verify" | "which_key" | "nodes") {
            compared += usize::from(twins.compare(&route, &ready).await);
        }
        assert_eq!(world.position().await, before, "{} wrote", route.name());
    }
    assert!(compared > 45, "only {compared} routes had ids to compare");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_what_belongs_to_another_organization_find_nothing() {
    let world = World::on_sqlite().await;
    let twins = Twins::meet(&world).await;
    let things = twins.b.named_by_filters().await;
    let mut compared = 0;
    for route in all().into_iter().filter(|route| route.is_list() && !route.path.contains('{')) {
        for (filter, value) in &things {
            if !route.query_parameters().iter().any(|known| known == filter) {
                continue;
            }
            let of_b = format!("{}?count=true&{filter}={value}", route.path);
            let unborn = if value.starts_with("b-") { "no-such-slug".to_owned() } else { never(value) };
            let of_nobody = format!("{}?count=true&{filter}={unborn}", route.path);
            let theirs = twins.ask(&route, &of_b, None).await;
            assert_eq!(theirs.status, 200, "{theirs}");
            assert_eq!(theirs.json()["items"], json!([]), "{theirs}");
            same(&theirs, &twins.ask(&route, &of_nobody, None).await);
            compared += 1;
        }
    }
    assert!(compared > 15, "only {compared} filters were compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_organization_is_unknown() {
    let world = World::on_sqlite().await;
    let twins = Twins::meet(&world).await;
    let theirs = twins.b.credential().await;
    let unborn =
        claviger_domain::credential::generate(claviger_domain::credential::CredentialKind::Key, |buffer| {
            buffer.fill(5)
        });
    let unborn = unborn.value.expose().to_owned();
    for (path, body) in [
        ("/v1/verify", json!({"credential": {"key": theirs}})),
        ("/v1/verify", json!({"credential": {"key": theirs}, "api": "b-orders"})),
        ("/v1/which-key", json!({"value": theirs})),
    ] {
        let other: Value = serde_json::from_str(&body.to_string().replace(&theirs, &unborn)).expect("JSON");
        let ask = async |body: &Value| {
            let call = world.call("POST", path).json(body);
            call.by(&twins.key_of_a).send().await
        };
        same(&ask(&body).await, &ask(&other).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_api_for_all_the_catalog_entry_is_seen_and_nothing_else() {
    let world = World::on_sqlite().await;
    let twins = Twins::meet(&world).await;
    let made = world.patch("/v1/apis/b-orders", &json!({"visibility": "all"})).expect(200).await;
    let id = made["id"].as_str().expect("an id");
    let by_a = |method: &str, path: &str| world.call(method, path).by(&twins.key_of_a);
    let seen = by_a("GET", "/v1/apis/b-orders").expect(200).await;
    let members: Vec<_> = seen.as_object().expect("an object").keys().map(String::as_str).collect();
    let entry = [
        "auth_types",
        "description",
        "document",
        "environments",
        "id",
        "name",
        "organization",
        "permissions",
        "slug",
        "version",
    ];
    assert_eq!(members, entry);
    let listed = by_a("GET", "/v1/apis?q=b-orders").expect(200).await;
    assert_eq!(listed["items"], json!([seen]));
    for (method, path, body) in [
        ("PATCH", "/v1/apis/b-orders", json!({"name": "Mine"})),
        ("DELETE", "/v1/apis/b-orders", json!({})),
        ("PUT", "/v1/apis/b-orders/exposure", json!({"exposed": false})),
    ] {
        let answer = by_a(method, path).json(&body).send().await;
        assert!(matches!(answer.status, 403 | 404), "{answer}");
    }
    let whose = format!("/v1/events?subject_id={id}");
    assert_eq!(by_a("GET", &whose).expect(200).await["items"], json!([]));
    let own = by_a("POST", "/v1/applications").json(&json!({"name": "Shop"})).expect(201).await;
    let wanted = json!({"application_id": own["id"], "api_id": id, "environment_id": "sandbox"});
    let subscription = by_a("POST", "/v1/subscriptions").json(&wanted).expect(201).await;
    let set = subscription["key_sets"][0]["id"].as_str().expect("an id");
    // B sees the Subscription, with the Key Set's id and state, and nothing of the set itself.
    let key_of_b = owner_of(&world, &twins.b.organization).await;
    let path = format!("/v1/subscriptions/{}", subscription["id"].as_str().expect("an id"));
    let provider = world.call("GET", &path).by(&key_of_b).expect(200).await;
    assert_eq!(provider["key_sets"][0]["id"], json!(set));
    let hidden = world.call("GET", &format!("/v1/key-sets/{set}")).by(&key_of_b).send().await;
    assert_eq!(hidden.status, 404, "{hidden}");
}
