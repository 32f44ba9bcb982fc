//! The first start: a server that waits, `init`, and what follows from it.

use std::os::unix::fs::PermissionsExt as _;

use claviger_client::Client;
use claviger_testkit::Postgres;
use serde_json::Value;

use super::{Shell, claviger};

#[test]
fn an_uninitialised_server_waits_for_init_and_goes_on_by_itself() {
    let claviger = claviger();
    let mut server = claviger.serve_unready();
    let client = Client::new(&server.url()).unwrap();
    let shell = Shell::new(&claviger, &server, "");
    let ask = |path: &str| shell.block_on(client.get(path).send::<Value>());
    for path in ["/readyz", "/v1/apis", "/openapi.json"] {
        assert_eq!(ask(path).unwrap_err().code(), Some("not_initialised"), "{path}");
    }
    server.wait_for_log("claviger init --owner");
    let made = claviger.init();
    assert!(made.organization_id.starts_with("org_") && made.member_id.starts_with("mbr_"));
    shell.wait_until("ready", || ask("/readyz").is_ok());
    let shell = Shell::new(&claviger, &server, &made.service_key);
    let organizations = shell.json(&["organizations", "list"]);
    assert_eq!(organizations["items"][0]["name"], "Default");
    assert_eq!(organizations["items"][0]["id"], made.organization_id.as_str());
    let (status, log) = server.stop();
    assert!(status.success(), "{status}: {log}");
}

#[test]
fn init_makes_what_an_instance_begins_with() {
    for database in [None, Some(Postgres::shared().create_database())] {
        let mut claviger = claviger();
        if let Some(database) = &database {
            claviger = claviger.with_database(database.url());
        }
        let arguments = ["init", "--owner", "ada@example.com", "--organization", "Acme", "--json"];
        let output = claviger.run_on_data(&arguments);
        output.demand_success("init");
        let made: Value = serde_json::from_str(&output.stdout).unwrap();
        let server = claviger.serve();
        let shell = Shell::new(&claviger, &server, made["service_key"].as_str().unwrap());
        let names = |noun: &str, member: &str| -> Vec<String> {
            let items = shell.json(&[noun, "list", "--all"])["items"].as_array().unwrap().clone();
            let mut names: Vec<_> =
                items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names("organizations", "name"), ["Acme"]);
        assert_eq!(names("groups", "name"), ["default"]);
        assert_eq!(names("environments", "slug"), ["production", "sandbox"]);
        assert_eq!(names("policy-templates", "name"), ["Default"]);
        assert_eq!(
            names("permission-groups", "name"),
            ["consumer", "contributor", "group_admin", "guest", "organization_admin", "owner"]
        );
        assert_eq!(names("members", "email"), ["ada@example.com"]);
        assert_eq!(
            shell.json(&["service-keys", "list"])["items"][0]["permission_groups"][0]["name"],
            "owner"
        );
    }
}

#[test]
fn init_is_refused_on_an_initialised_database_and_on_values_that_do_not_fit() {
    let claviger = claviger();
    for arguments in [
        &["init", "--owner", "nobody"][..],
        &["init", "--owner", "a@example.com", "--organization", ""],
        &["init", "--owner", "a@example.com", "--organization", "a\u{202e}b"],
    ] {
        let output = claviger.run_on_data(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", output.stderr);
        assert!(!claviger.data_folder().join("claviger.db").exists(), "{arguments:?} made a database");
    }
    claviger.init();
    for running in [false, true] {
        let _server = running.then(|| claviger.serve());
        let output = claviger.run_on_data(&["init", "--owner", "eve@example.com"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.contains("was initialised before"), "{}", output.stderr);
        assert!(output.stdout.is_empty());
    }
    let output = claviger.run_on_data(&["verify-log", "--state"]);
    output.demand_success("verify-log");
}

#[test]
fn commands_that_look_bring_no_schema_up_to_date() {
    for database in [None, Some(Postgres::shared().create_database())] {
        let mut claviger = claviger();
        if let Some(database) = &database {
            claviger = claviger.with_database(database.url());
        } else {
            std::fs::File::create(claviger.data_folder().join("claviger.db")).unwrap();
        }
        // Asked twice: had one of them brought a schema, the next would find it.
        for command in [&["verify-log"][..], &["doctor"], &["verify-log", "--state"], &["doctor", "--json"]] {
            let output = claviger.run_on_data(command);
            assert!(!output.status.success(), "{command:?}");
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(said.contains("holds nothing of Claviger: run `claviger init"), "{command:?}: {said}");
        }
        claviger.init();
        claviger.run_on_data(&["verify-log"]).demand_success("verify-log");
    }
}

#[test]
fn an_owner_who_deleted_the_last_key_makes_a_new_one_on_the_server_itself() {
    for database in [None, Some(Postgres::shared().create_database())] {
        let mut claviger = claviger();
        if let Some(database) = &database {
            claviger = claviger.with_database(database.url());
        }
        let refused = claviger.run_on_data(&["owner-key"]);
        assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
        assert!(!claviger.data_folder().join("claviger.db").exists(), "it made a database");
        let made = claviger.init();
        let server = claviger.serve();
        let shell = Shell::new(&claviger, &server, &made.service_key);
        let own = shell.json(&["service-keys", "current"]);
        shell.run(&["service-keys", "delete", own["id"].as_str().unwrap()]).demand_success("delete");
        assert_eq!(shell.refused(&["organizations", "list"])["status"], 401);
        let output = claviger.run_on_data(&["owner-key"]);
        assert_eq!(output.status.code(), Some(1), "beside a server: {}", output.stdout);
        assert!(output.stderr.contains("Stop the server"), "{}", output.stderr);
        server.stop();
        let again = claviger.run_on_data(&["init", "--owner", "ada@example.com"]);
        assert!(again.stderr.contains("claviger owner-key"), "{}", again.stderr);
        let output = claviger.run_on_data(&["owner-key", "--json"]);
        output.demand_success("owner-key");
        let key: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(key["member_id"], made.member_id.as_str());
        let server = claviger.serve();
        let shell = Shell::new(&claviger, &server, key["service_key"].as_str().unwrap());
        let current = shell.json(&["service-keys", "current"]);
        assert_eq!(current["id"], key["service_key_id"]);
        assert_eq!(current["permission_groups"][0]["name"], "owner");
        assert_eq!(current["scope"], own["scope"]);
        let event =
            &shell.json(&["events", "list", "--limit", "1", "--kind", "service_key.created"])["items"][0];
        assert_eq!(event["actor"]["name"], "claviger owner-key", "{event}");
        server.stop();
        claviger.run_on_data(&["verify-log", "--state"]).demand_success("verify-log");
    }
}

#[test]
fn a_server_warns_of_a_data_folder_that_others_can_reach() {
    let claviger = claviger();
    claviger.init();
    for (mode, warned) in [(0o777, true), (0o700, false)] {
        std::fs::set_permissions(claviger.data_folder(), std::fs::Permissions::from_mode(mode)).unwrap();
        let (_, log) = claviger.serve().stop();
        assert_eq!(log.contains("can be reached by others (mode 0777)"), warned, "{log}");
    }
}
