//! Every route × every kind of caller: nobody, a wrong key, a key of another kind, one that is inactive,
//! expired or used from elsewhere, the owner of another Organization, one who lacks just the permission,
//! and one who has just enough.

use claviger_domain::credential::{CredentialKind, generate};
use claviger_domain::permission::Permission;
use serde_json::{Value, json};

use crate::call::Answer;
use crate::routes::{Ready, Route, Stage, all};
use crate::world::World;

/// Keys that are good for nothing, whatever the route.
struct Useless {
    wrong: String,
    of_another_kind: String,
    inactive: String,
    expired: String,
    from_elsewhere: String,
}

impl Useless {
    async fn make(world: &World) -> Self {
        let everything: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        let group = world.permission_group("everything", &world.organization_id, &everything).await;
        let make = async |name: &str, more: Value| {
            let mut body = json!({"name": name, "permission_group_ids": [group]});
            for (member, value) in more.as_object().into_iter().flatten() {
                body[member] = value.clone();
            }
            let made = world.post("/v1/service-keys", &body).expect(201).await;
            (made["id"].as_str().expect("an id").to_owned(), made["key"].as_str().expect("a key").to_owned())
        };
        let (inactive_id, inactive) = make("inactive", json!({})).await;
        world.act(&format!("/v1/service-keys/{inactive_id}/deactivate")).expect(200).await;
        let (_, expired) = make("expired", json!({"expires_at": "2027-01-15T08:00:01Z"})).await;
        let (_, from_elsewhere) = make("elsewhere", json!({"ip_allow_list": ["203.0.113.0/24"]})).await;
        world.clock.advance_seconds(2);
        let foreign = |kind| generate(kind, |buffer| buffer.fill(3)).value.expose().to_owned();
        let of_another_kind = foreign(CredentialKind::Key);
        Self { wrong: foreign(CredentialKind::Service), of_another_kind, inactive, expired, from_elsewhere }
    }

    async fn are_refused(&self, world: &World, route: &Route, ready: &Ready, complaints: &mut Complaints) {
        let nobody = ready.call(world, route).by_nobody().send().await;
        complaints.unless(nobody.status == 401 && nobody.code() == "unauthenticated", "nobody", &nobody);
        complaints.unless(nobody.header("www-authenticate").is_some(), "nobody is not told how", &nobody);
        for (key, status, code) in [
            ("not a key at all", 401, "unauthenticated"),
            (self.wrong.as_str(), 401, "unauthenticated"),
            (self.of_another_kind.as_str(), 401, "unauthenticated"),
            (self.inactive.as_str(), 401, "inactive"),
            (self.expired.as_str(), 401, "expired"),
            (self.from_elsewhere.as_str(), 403, "ip_denied"),
        ] {
            let answer = ready.send_by(world, route, key).await;
            complaints.unless(answer.status == status && answer.code() == code, code, &answer);
        }
    }
}

/// What is wrong with any route, told all at once.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn unless(&mut self, fits: bool, who: &str, answer: &Answer) {
        if !fits {
            self.0.push(format!("{who}: {answer}"));
        }
    }
}

/// The owner of another Organization, with every permission there.
async fn stranger(world: &World) -> String {
    let organization = world.organization("Other").await;
    let everything: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    world.service_key("stranger", &organization, &everything).await.1
}

/// What belongs to the instance, or to whoever asks: another Organization's owner may call it.
const OPEN_TO_ALL: &[&str] = &[
    "GET /v1/environments/{id}",
    "GET /v1/permissions",
    "GET /v1/service-keys/current",
    "GET /v1/events/proof",
    "GET /v1/nodes/{id}",
    "POST /v1/key-sets/bulk",
    "GET /v1/usage",
    "POST /v1/verify",
    "POST /v1/verify/batch",
];

fn a_stranger_is_kept_out(stage: &Stage<'_>, route: &Route, answer: &Answer, complaints: &mut Complaints) {
    let whole_list = route.is_list() && !route.path.contains('{');
    let open = whole_list || OPEN_TO_ALL.contains(&route.name().as_str());
    let fits = if open { answer.status == 200 } else { matches!(answer.status, 403 | 404 | 422) };
    complaints.unless(fits, "a stranger", answer);
    let told = answer.text().contains(&stage.group) || answer.text().contains(&stage.organization);
    complaints.unless(!told, "a stranger was told of the Organization", answer);
}

fn just_enough(route: &Route, ready: &Ready) -> Vec<String> {
    let mut permissions: Vec<String> = ready.also.iter().map(|text| (*text).to_owned()).collect();
    permissions.extend(route.permission.clone());
    let read = format!("{}:read", route.collection());
    if read.parse::<Permission>().is_ok() {
        permissions.push(read);
    }
    permissions.sort();
    permissions.dedup();
    permissions
}

/// A key that has all permissions but the route's own; and one that has just enough.
async fn two_keys(
    world: &World,
    stage: &Stage<'_>,
    route: &Route,
    ready: &Ready,
) -> (Option<String>, String) {
    let make = async |permissions: &[&str]| {
        let permissions = if permissions.is_empty() { &["groups:read"] } else { permissions };
        let group = world.permission_group(&stage.fresh(), &stage.organization, permissions).await;
        world.service_key_in(&stage.fresh(), &group, &json!({})).await.1
    };
    let enough = just_enough(route, ready);
    let enough = make(&enough.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let Some(needed) = &route.permission else { return (None, enough) };
    let others: Vec<_> =
        Permission::ALL.iter().map(|permission| permission.as_str()).filter(|name| name != needed).collect();
    (Some(make(&others).await), enough)
}

fn one_short_is_refused(route: &Route, answer: &Answer, complaints: &mut Complaints) {
    let needed = route.permission.as_deref().unwrap_or_default();
    let who = format!("one short of {needed}");
    // Who may not see a thing is told what is told of a thing that never was.
    let fits = if needed.ends_with(":read") && route.path.contains('{') {
        answer.status == 404
    } else {
        answer.status == 403 && answer.code() == "forbidden" && answer.json()["permission"] == needed
    };
    complaints.unless(fits, &who, answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_just_those_who_may() {
    let world = World::on_sqlite().await;
    let organization = world.organization_id.clone();
    let stage = Stage::set(&world, &organization, "a").await;
    let useless = Useless::make(&world).await;
    let stranger = stranger(&world).await;
    let mut complaints = Complaints::default();
    for route in all() {
        // Failed sign-ins slow a source for a minute.
        world.clock.advance_seconds(61);
        let ready = stage.ready(&route).await;
        let ready = ready.unwrap_or_else(|| panic!("routes.rs has no line for {}", route.name()));
        let (short, enough) = two_keys(&world, &stage, &route, &ready).await;
        let before = world.position().await;
        useless.are_refused(&world, &route, &ready, &mut complaints).await;
        if let Some(short) = short {
            let answer = ready.send_by(&world, &route, &short).await;
            one_short_is_refused(&route, &answer, &mut complaints);
        }
        let answer = ready.send_by(&world, &route, &stranger).await;
        a_stranger_is_kept_out(&stage, &route, &answer, &mut complaints);
        complaints.unless(world.position().await == before, "it was written for one who may not", &answer);
        let answer = ready.send_by(&world, &route, &enough).await;
        complaints.unless(answer.status == ready.status, "enough", &answer);
    }
    assert!(complaints.0.is_empty(), "{}", complaints.0.join("\n"));
}
