//! `quickstart`: the tour, again and again.

use claviger_testkit::{Claviger, Output, Postgres, Server};
use serde_json::Value;

use super::{Shell, claviger};

/// What a run printed that can be used again.
fn printed<'a>(text: &'a str, before: &str) -> &'a str {
    let from = text.split(before).nth(1).unwrap_or_else(|| panic!("no {before:?} in:\n{text}"));
    from.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()
}

fn status_of(server: &Server, key: &str) -> String {
    let output = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(format!("{}/v1/forward-auth?api=quickstart", server.url()))
        .args(["-H", &format!("X-API-Key: {key}")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn exit_after_the_calls(claviger: &Claviger) -> Output {
    let mut command = claviger.command_on_data(&["quickstart", "--exit"]);
    for flag in ["--listen", "--gateway-listen", "--ext-authz-listen", "--metrics-listen"] {
        command.args([flag, &claviger_testkit::free_port().address().to_string()]);
    }
    Output::of(&mut command, "")
}

#[test]
fn it_ends_in_a_good_call_allowed_and_a_bad_one_refused_and_a_second_run_reuses_the_first() {
    let claviger = claviger();
    let (first, second) = (exit_after_the_calls(&claviger), exit_after_the_calls(&claviger));
    for output in [&first, &second] {
        output.demand_success("quickstart --exit");
        assert!(
            output.stdout.contains("A good call, with the key: 200, and the upstream said"),
            "{}",
            output.stdout
        );
        assert!(output.stdout.contains("A bad call, without one:   401 (missing)"), "{}", output.stdout);
        assert!(
            output.stdout.contains("\"environment\":\"sandbox\""),
            "the upstream was told who calls: {}",
            output.stdout
        );
        assert!(output.stdout.contains("curl -i"), "{}", output.stdout);
        // It is not on the PATH here: what is printed must work as it stands.
        let own = std::fs::canonicalize(env!("CARGO_BIN_EXE_claviger")).unwrap();
        assert!(output.stdout.contains(&format!("  {} key-sets show", own.display())), "{}", output.stdout);
    }
    let (key, new_key) = (printed(&first.stdout, "X-API-Key: "), printed(&second.stdout, "X-API-Key: "));
    assert!(key.starts_with("clv_key_") && new_key.starts_with("clv_key_") && key != new_key);
    let key_set = |output: &Output| printed(&output.stdout, "the Key Set ").to_owned();
    assert_eq!(key_set(&first), key_set(&second));
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, printed(&second.stdout, "CLAVIGER_KEY="));
    for noun in ["apis", "applications", "subscriptions", "key-sets"] {
        assert_eq!(shell.json(&[noun, "list"])["items"].as_array().unwrap().len(), 1, "{noun}");
    }
    assert_eq!(status_of(&server, new_key), "200");
    assert_eq!(status_of(&server, key), "401");
    let first_service_key = printed(&first.stdout, "CLAVIGER_KEY=");
    assert_ne!(first_service_key, printed(&second.stdout, "CLAVIGER_KEY="));
    Shell::new(&claviger, &server, first_service_key).json(&["organizations", "list"]);
}

#[test]
fn it_stays_up_on_either_database_and_what_was_changed_is_put_right() {
    for database in [None, Some(Postgres::shared().create_database())] {
        let mut claviger = claviger();
        if let Some(database) = &database {
            claviger = claviger.with_database(database.url());
        }
        let mut server = claviger.quickstart();
        server.wait_for_log("stays up");
        let log = server.log();
        assert_eq!(status_of(&server, printed(&log, "X-API-Key: ")), "200");
        let shell = Shell::new(&claviger, &server, printed(&log, "CLAVIGER_KEY="));
        let set: Value = shell.json(&["key-sets", "show", printed(&log, "the Key Set ")]);
        shell.json(&["key-sets", "revoke", set["id"].as_str().unwrap()]);
        shell.json(&["apis", "unexpose", "quickstart"]);
        shell.json(&["applications", "suspend", set["application"]["id"].as_str().unwrap()]);
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        let mut server = claviger.quickstart();
        server.wait_for_log("stays up");
        assert_eq!(status_of(&server, printed(&server.log(), "X-API-Key: ")), "200");
    }
}

#[test]
fn it_adds_nothing_to_what_others_are_at_work_with() {
    let claviger = claviger();
    let owner = claviger.init();
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &owner.service_key);
    let api = ["--slug", "orders", "--name", "Orders", "--upstreams", "http://127.0.0.1:9000"];
    let carries = ["--auth-types", "api_key", "--requires", "key"];
    shell.json(&[&["apis", "create"], &api[..], &carries[..]].concat());
    let before = shell.json(&["events", "list"])["items"].as_array().unwrap().len();
    server.stop();
    let refused = exit_after_the_calls(&claviger);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("no quickstart made them"), "{}", refused.stderr);
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &owner.service_key);
    assert_eq!(shell.json(&["events", "list"])["items"].as_array().unwrap().len(), before);
}
