//! A Key Set's life by the real clock: the built binary, and templates that count in seconds.

use claviger_domain::time::Timestamp;
use serde_json::{Value, json};

use super::workspace::{Workspace, id};
use super::{Shell, claviger};

fn template(shell: &Shell<'_>, body: &Value) -> String {
    id(&shell.block_on(shell.client().post("/v1/policy-templates").body(body).send::<Value>()).unwrap().body)
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn keys_rotate_by_the_real_clock() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let turning = template(
        &shell,
        &json!({
            "name": "Turning",
            "rotates_every": "PT6S",
            "rotation_lead": "PT3S",
            "overlap": "PT2S",
            "retrievable": true,
        }),
    );
    let made = Workspace::new(&shell, "orders", &turning);
    let first = made.retrieve(&shell);
    let set = || shell.json(&["key-sets", "show", &made.key_set]);
    let keys = || set()["keys"].as_array().unwrap().clone();
    assert_eq!(made.verify(&shell, &first), "valid");
    shell.wait_until("issued before it is due", || keys().len() >= 2);
    // Beside each other for a while, then the old one is dead, whatever the machine is busy with.
    let second = made.retrieve(&shell);
    assert_ne!(first, second);
    shell.wait_until("retired", || made.verify(&shell, &first) == "revoked");
    shell.wait_until("recorded", || keys().iter().any(|key| key["end_reason"] == "rotated"));
    let due: Vec<Timestamp> = keys().iter().map(|key| instant(&key["rotation_due_at"])).collect();
    let gaps: Vec<i64> = due.windows(2).map(|pair| pair[1].seconds_since(pair[0])).collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| *gap == 6), "due dates count from due dates: {due:?}");
    let timeline = shell.json(&["key-sets", "timeline", &made.key_set]);
    let rotations: Vec<&Value> = timeline["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["milestone"] == "rotation" && !item["actual_at"].is_null())
        .collect();
    assert!(!rotations.is_empty(), "{timeline}");
    assert_eq!(instant(&rotations[0]["planned_at"]), due[0]);
}

#[test]
fn keys_expire_by_the_real_clock_and_it_is_recorded() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let ending = template(&shell, &json!({ "name": "Ending", "expires_after": "PT5S", "retrievable": true }));
    let made = Workspace::new(&shell, "orders", &ending);
    let key = made.retrieve(&shell);
    assert_eq!(made.verify(&shell, &key), "valid");
    shell.wait_until("expired", || made.verify(&shell, &key) == "expired");
    let recorded = || shell.json(&["key-sets", "show", &made.key_set])["keys"][0].clone();
    shell.wait_until("recorded", || !recorded()["ended_at"].is_null());
    let recorded = recorded();
    assert_eq!(recorded["end_reason"], "expired");
    assert_eq!(recorded["ended_at"], recorded["expires_at"], "it stopped working when it was to");
    assert_eq!(shell.refused(&["key-sets", "retrieve", &made.key_set])["code"], "invalid_transition");
}
