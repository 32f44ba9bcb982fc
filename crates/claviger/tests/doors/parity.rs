//! The table, at every door (product.md F1 to F3).

use std::collections::BTreeSet;

use claviger_client::{Client, Error, Problem};
use claviger_domain::credential::{self, CredentialKind};
use claviger_testkit::Postgres;
use serde_json::{Value, json};

use super::door::{DOORS, Door, Presented, Question};
use super::scene::{Credentials, Scene};

/// A question that its row changes.
fn row<'a>(api: &'a str, presented: Presented<'a>, code: &'a str, status: u16) -> Question<'a> {
    Question { api, environment: None, permissions: &[], presented, ip: "203.0.113.7", code, status }
}

/// Every code that there is, each alone, shared keys, both presets, and pairs where the first that applies counts.
fn table(held: &Credentials) -> Vec<Question<'_>> {
    use Presented::{Basic, Ibm, Key, Nothing, Pair, Secret};
    let pair = &held.pair;
    vec![
        row("orders", Key(&held.key), "valid", 200),
        row("orders", Pair(pair), "valid", 200),
        row("orders", Basic(&held.basic), "valid", 200),
        row("orders", Nothing, "missing", 401),
        row("orders", Key("clv_key_wrong"), "malformed", 401),
        row("orders", Key("no key at all"), "malformed", 401),
        row("orders", Key(&held.service_key), "unknown", 401),
        row("orders", Key(&pair.0), "secret_required", 401),
        row("orders", Key(&held.suspended), "suspended", 401),
        row("orders", Key(&held.revoked), "revoked", 401),
        row("orders", Key(&held.pending), "pending", 401),
        row("brief", Key(&held.expired), "expired", 401),
        row("hidden", Key(&held.key), "api_not_exposed", 404),
        row("nowhere", Key(&held.key), "api_not_exposed", 404),
        row("stock", Key(&held.key), "not_subscribed", 403),
        row("fenced", Key(&held.fenced), "valid", 200),
        row("slow", Key(&held.slow), "rate_limited", 429),
        row("scarce", Key(&held.scarce), "quota_exceeded", 429),
        row("partners", Key(&held.partner.0), "valid", 200),
        row("partners", Pair(&held.partner), "valid", 200),
        row("partners", Key(&held.disabled), "suspended", 401),
        row("partners", Key(&held.deleted), "unknown", 401),
        row("partners", Key(&held.key), "not_subscribed", 403),
        row("stock", Key(&held.partner.0), "not_subscribed", 403),
        row("paired", Pair(&held.paired), "valid", 200),
        row("paired", Key(&held.paired.0), "secret_required", 401),
        row("lone", Secret(&held.lone.1), "valid", 200),
        row("lone", Key(&held.lone.0), "secret_required", 401),
        row("partners", Secret(&held.partner.1), "missing", 401),
        row("open", Nothing, "valid", 200),
        row("open", Key(&held.deleted), "unknown", 401),
        row("branded", Ibm(&held.branded), "valid", 200),
        // The first that applies.
        row("hidden", Nothing, "api_not_exposed", 404),
        row("nowhere", Key("clv_key_wrong"), "api_not_exposed", 404),
        row("stock", Key(&held.revoked), "revoked", 401),
        row("stock", Key(&held.suspended), "suspended", 401),
        row("stock", Key(&pair.0), "secret_required", 401),
        Question { permissions: &["orders:fly"], ..row("slow", Key(&held.slow), "permission_denied", 403) },
        Question { environment: Some("production"), ..row("orders", Key(&held.key), "valid", 200) },
        Question { environment: Some("sandbox"), ..row("orders", Key(&held.key), "wrong_environment", 403) },
        Question { environment: Some("sandbox"), ..row("stock", Key(&held.key), "wrong_environment", 403) },
        Question { permissions: &["orders:read"], ..row("orders", Key(&held.key), "valid", 200) },
        Question {
            permissions: &["orders:read", "orders:write"],
            ..row("orders", Key(&held.key), "permission_denied", 403)
        },
        Question { permissions: &["orders:write"], ..row("stock", Key(&held.key), "not_subscribed", 403) },
        Question { ip: "198.51.100.7", ..row("fenced", Key(&held.fenced), "ip_denied", 403) },
        Question { ip: "198.51.100.7", ..row("fenced", Key(&held.key), "not_subscribed", 403) },
    ]
}

fn demand_one_answer(scene: &Scene, doors: &[Door], table: &[Question<'_>]) {
    let mut wrong = Vec::new();
    for question in table {
        for door in doors.iter().filter(|door| door.can_be_asked(question)) {
            let (answer, expected) = (scene.block_on(door.ask(scene, question)), door.expected(question));
            if answer != expected {
                let asked = (question.api, question.environment, question.permissions, question.ip);
                wrong.push(format!("{door:?} {asked:?}: {answer:?}, and it should be {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whoever is refused can't tell by the words which door it met.
fn demand_one_wording(scene: &Scene, table: &[Question<'_>]) {
    let refused = |question: &&Question<'_>| question.code != "valid" && question.permissions.is_empty();
    for question in table.iter().filter(refused).filter(|question| Door::Gateway.can_be_asked(question)) {
        let said = [Door::Forwarded, Door::Gateway, Door::Library].map(|door| {
            let response = scene.block_on(door.request(scene, question));
            let headers =
                ["content-type", "cache-control", "www-authenticate", "ratelimit-limit"].map(|name| {
                    let lines = response.headers().get_all(name).iter();
                    lines.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
                });
            let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            let retry = response.headers().contains_key("retry-after");
            let mut problem: Value = scene.block_on(response.json()).unwrap();
            assert_eq!(problem["request_id"].take(), id);
            (problem, headers, retry)
        });
        assert!(said.iter().all(|one| *one == said[0]), "{said:#?}");
    }
}

#[test]
fn one_table_of_requests_has_one_answer_at_every_door() {
    let database = Postgres::shared().create_database();
    let scene = Scene::new(&database, None);
    let mut table = table(&scene.held);
    let mismatched = (scene.held.pair.0.clone(), scene.held.basic.1.clone());
    table.push(row("orders", Presented::Pair(&mismatched), "secret_mismatch", 401));
    let crossed = (scene.held.paired.0.clone(), scene.held.lone.1.clone());
    table.push(row("paired", Presented::Pair(&crossed), "secret_mismatch", 401));
    let swapped = (scene.held.basic.0.clone(), scene.held.pair.1.clone());
    table.push(row("orders", Presented::Basic(&swapped), "secret_mismatch", 401));
    demand_one_answer(&scene, &DOORS, &table);
    demand_one_wording(&scene, &table);
    let codes: BTreeSet<&str> = table.iter().map(|question| question.code).collect();
    // All but `stale`, which has a test of its own.
    assert_eq!(codes.len(), 18 - 1, "{codes:?}");
}

/// Without the database, deciding goes on from memory; when what is remembered is too old, no call passes.
#[test]
fn every_door_closes_when_the_log_was_not_heard_of_for_too_long() {
    let mut postgres = Postgres::start();
    let database = postgres.create_database();
    let scene = Scene::new(&database, Some(20));
    let key = Presented::Key(&scene.held.key);
    let good = row("orders", key, "valid", 200);
    postgres.stop_immediately();
    demand_one_answer(
        &scene,
        &DOORS,
        &[good, row("orders", Presented::Key(&scene.held.revoked), "revoked", 401)],
    );
    let stale = row("orders", key, "stale", 503);
    for door in DOORS {
        scene.wait_until("stale", || scene.block_on(door.ask(&scene, &stale)) == door.expected(&stale));
    }
    let first = [
        stale,
        row("orders", Presented::Pair(&scene.held.pair), "stale", 503),
        row("nowhere", key, "api_not_exposed", 404),
        row("orders", Presented::Nothing, "missing", 401),
        row("orders", Presented::Key("clv_key_wrong"), "malformed", 401),
    ];
    demand_one_answer(&scene, &DOORS, &first);
    // Whether an asker may ask is remembered too, and as old: a service key that was not good then may be now.
    let question = json!({ "credential": { "key": scene.held.key }, "api": "orders" });
    let stranger = credential::generate(CredentialKind::Service, |buffer| buffer.fill(7)).value;
    let client = Client::new(scene.node.client.url()).unwrap().with_key(stranger.expose()).unwrap();
    let refused = scene.block_on(client.post("/v1/verify").body(&question).send::<Value>());
    let behind = |problem: &Problem| problem.status == 503 && problem.code == "behind";
    assert!(matches!(&refused, Err(Error::Refused(problem)) if behind(problem)), "{refused:?}");
    postgres.start_again();
    // Not all of them are of one process: each hears of the log by itself.
    for door in DOORS {
        scene.wait_until("open again", || scene.block_on(door.ask(&scene, &good)) == door.expected(&good));
    }
    demand_one_answer(&scene, &DOORS, &[good]);
}
