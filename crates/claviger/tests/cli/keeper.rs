//! The keeper from outside: what happens without it, and what a server says that can't have it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use claviger_testkit::Claviger;
use serde_json::{Value, json};

use super::workspace::{Workspace, retrievable};
use super::{Shell, claviger};

#[test]
fn deciding_goes_on_without_the_keeper_and_what_needs_it_says_so() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    let value = made.retrieve(&shell);
    // Without its master key it can't come back.
    let (master, aside) =
        (claviger.data_folder().join("master.key"), claviger.data_folder().join("master.key.aside"));
    fs::rename(&master, &aside).unwrap();
    assert!(server.kill_keeper());
    let refused = |act: &str| shell.refused(&["key-sets", act, &made.key_set]);
    shell.wait_until("gone", || {
        shell.run(&["key-sets", "retrieve", &made.key_set, "--json"]).stderr.contains("keeper_unavailable")
    });
    for act in ["retrieve", "regenerate"] {
        let problem = refused(act);
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!("keeper_unavailable"), &json!(503)),
            "{act}"
        );
    }
    for _ in 0..10 {
        assert_eq!(made.verify(&shell, &value), "valid");
    }
    assert_eq!(shell.json(&["key-sets", "suspend", &made.key_set])["status"], "suspended");
    assert_eq!(made.verify(&shell, &value), "suspended");
    assert_eq!(shell.json(&["key-sets", "activate", &made.key_set])["status"], "active");
    let ready: Result<Value, _> =
        shell.block_on(shell.client().get("/readyz").send::<Value>()).map(|answer| answer.body);
    let problem = ready.unwrap_err();
    assert_eq!(problem.code(), Some("keeper_unavailable"));
    // With it, it does, by itself.
    fs::rename(&aside, &master).unwrap();
    shell.wait_until("back", || shell.run(&["key-sets", "retrieve", &made.key_set]).status.success());
    assert_eq!(made.retrieve(&shell), value);
}

#[test]
fn a_killed_keeper_is_started_again() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    let value = made.retrieve(&shell);
    for _ in 0..3 {
        let before = server.descendants();
        assert!(server.kill_keeper());
        shell.wait_until("started again", || {
            let now = server.descendants();
            now.len() == 1 && now != before
        });
        shell.wait_until("working", || shell.run(&["key-sets", "retrieve", &made.key_set]).status.success());
        assert_eq!(made.retrieve(&shell), value);
    }
    let doctor =
        claviger.run_on_data(&["doctor", "--json", "--listen", &server.url().replace("http://", "")]);
    let said: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap();
    assert!(!findings.iter().any(|finding| finding["about"] == "keeper"), "{said}");
}

/// Something done to a data folder.
type Spoil = fn(&Path);

#[test]
fn a_wrong_or_lost_master_key_is_explained_at_the_start() {
    let spoil: [(&str, Spoil); 4] = [
        ("is not the one that sealed", |data| fs::write(data.join("master.key"), [7; 32]).unwrap()),
        ("is missing", |data| fs::remove_file(data.join("master.key")).unwrap()),
        ("was made on", |data| {
            fs::remove_dir_all(data.join("keeper")).unwrap();
            fs::remove_file(data.join("master.key")).unwrap();
        }),
        ("root secret", |data| fs::remove_file(data.join("keeper/root.sealed")).unwrap()),
    ];
    for (said, spoil) in spoil {
        let claviger = claviger();
        claviger.init();
        spoil(claviger.data_folder());
        let output = serve_to_its_end(&claviger);
        assert_eq!(output.status.code(), Some(1), "{said}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        let files: Vec<_> = fs::read_dir(claviger.data_folder()).unwrap().collect();
        let made = claviger.data_folder().join("keeper/root.sealed").exists();
        assert!(!made || said != "was made on", "a root secret was made that opens nothing: {files:?}");
    }
}

#[test]
fn another_keepers_database_is_refused() {
    let postgres = claviger_testkit::Postgres::shared().create_database();
    let one = claviger().with_database(postgres.url());
    one.init();
    let other = claviger();
    other.init();
    let other = other.with_database(postgres.url());
    let output = serve_to_its_end(&other);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("belongs to another keeper"), "{}", output.stderr);
}

/// A server that is expected to end by itself.
fn serve_to_its_end(claviger: &Claviger) -> claviger_testkit::Output {
    let any = "127.0.0.1:0";
    claviger.run_on_data(&["serve", "--listen", any, "--gateway-listen", any, "--metrics-listen", any])
}

/// What `doctor` says is wrong, with its exit code.
fn doctor(claviger: &Claviger) -> (Option<i32>, Vec<Value>) {
    fs::set_permissions(claviger.data_folder(), fs::Permissions::from_mode(0o700)).unwrap();
    let any = "127.0.0.1:0";
    let output = claviger.run_on_data(&["doctor", "--json", "--listen", any]);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    (output.status.code(), said["findings"].as_array().unwrap().clone())
}

#[test]
fn doctor_takes_the_addresses_of_a_server_that_runs_for_its_own() {
    let claviger = claviger();
    claviger.init();
    fs::set_permissions(claviger.data_folder(), fs::Permissions::from_mode(0o700)).unwrap();
    let server = claviger.serve();
    let addresses = [server.url(), server.gateway_url(), server.ext_authz_url(), server.metrics_url()];
    let flags = ["--listen", "--gateway-listen", "--ext-authz-listen", "--metrics-listen"];
    let mut arguments = vec!["doctor"];
    for (flag, address) in flags.iter().zip(&addresses) {
        arguments.extend([flag, address.trim_start_matches("http://")]);
    }
    let beside = claviger.run_on_data(&arguments);
    beside.demand_success("doctor beside a server");
    let [listen, gateway, ext_authz, metrics] =
        addresses.each_ref().map(|url| url.trim_start_matches("http://"));
    let named = format!(
        "restart: {gateway} (gateway_listen), {ext_authz} (ext_authz_listen), {metrics} (metrics_listen)"
    );
    assert!(beside.stdout.contains(&named), "{beside:?}");
    // What somebody else has is told: here it may be that server's, or not.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let any = "127.0.0.1:0";
    let doctor = |listen: &str, gateway: &str| {
        let others = ["--ext-authz-listen", any, "--metrics-listen", any];
        let addresses = ["doctor", "--listen", listen, "--gateway-listen", gateway];
        claviger.run_on_data(&[&addresses[..], &others[..]].concat())
    };
    let changed = doctor(listen, &address);
    changed.demand_success("doctor beside a server with another configuration");
    assert!(changed.stdout.contains(&format!("restart: {address} (gateway_listen)\n")), "{changed:?}");
    // No server has an address that this machine has not.
    let elsewhere = doctor(listen, "192.0.2.1:7701");
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    assert!(
        elsewhere.stdout.contains("gateway_listen: 192.0.2.1:7701 can't be listened on"),
        "{elsewhere:?}"
    );
    let refused = doctor(any, &address);
    let found = format!("gateway_listen: {address} can't be listened on");
    assert!(refused.stdout.contains(&found) || refused.stderr.contains(&found), "{refused:?}");
    server.stop();
}

#[test]
fn doctor_finds_whatever_the_keeper_does_not_start_on() {
    let spoil: [(&str, Spoil); 9] = [
        ("is not the one that sealed", |data| fs::write(data.join("master.key"), [7; 32]).unwrap()),
        ("The master key", |data| fs::remove_file(data.join("master.key")).unwrap()),
        ("is 3 bytes", |data| fs::write(data.join("master.key"), [7; 3]).unwrap()),
        ("was made on", |data| {
            fs::remove_dir_all(data.join("keeper")).unwrap();
            fs::remove_file(data.join("master.key")).unwrap();
        }),
        ("The root secret", |data| fs::remove_file(data.join("keeper/root.sealed")).unwrap()),
        ("is damaged", |data| {
            let mut root = fs::read(data.join("keeper/root.sealed")).unwrap();
            *root.last_mut().unwrap() ^= 1;
            fs::write(data.join("keeper/root.sealed"), root).unwrap();
        }),
        ("journal", |data| fs::remove_file(data.join("keeper/journal")).unwrap()),
        ("does not follow", |data| {
            let journal = fs::read_to_string(data.join("keeper/journal")).unwrap();
            fs::write(data.join("keeper/journal"), journal.replace("version", "versiom")).unwrap();
        }),
        ("chmod 600", |data| {
            fs::set_permissions(data.join("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
        }),
    ];
    for (said, spoil) in spoil {
        let claviger = claviger();
        claviger.init();
        assert_eq!(doctor(&claviger), (Some(0), Vec::new()), "before {said}");
        spoil(claviger.data_folder());
        let before = files_of(claviger.data_folder());
        let (code, findings) = doctor(&claviger);
        assert_eq!(code, Some(1), "{said}: {findings:?}");
        assert!(
            findings.iter().any(|it| it["detail"].as_str().unwrap().contains(said)),
            "{said}: {findings:?}"
        );
        assert_eq!(files_of(claviger.data_folder()), before, "doctor changes nothing");
        assert!(!serve_to_its_end(&claviger).status.success(), "{said}: and it starts");
    }
}

/// The keeper's files and what they hold.
fn files_of(data: &Path) -> Vec<Option<Vec<u8>>> {
    ["master.key", "keeper/root.sealed", "keeper/journal"]
        .iter()
        .map(|it| fs::read(data.join(it)).ok())
        .collect()
}

#[test]
fn doctor_finds_a_database_of_another_keeper() {
    let postgres = claviger_testkit::Postgres::shared().create_database();
    let one = claviger().with_database(postgres.url());
    one.init();
    let other = claviger();
    other.init();
    let (code, findings) = doctor(&other.with_database(postgres.url()));
    assert_eq!(code, Some(1), "{findings:?}");
    assert!(findings[0]["detail"].as_str().unwrap().contains("another root secret"), "{findings:?}");
}

#[test]
fn doctor_tells_of_an_emptied_journal_and_of_an_edited_log() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    Workspace::new(&shell, "orders", &retrievable(&shell)).retrieve(&shell);
    server.stop();
    let about = |what: &str| -> Vec<String> {
        let (_, findings) = doctor(&claviger);
        let of = findings.iter().filter(|finding| finding["about"] == what);
        of.map(|finding| finding["detail"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((about("keeper"), about("log")), (Vec::new(), Vec::new()));
    fs::write(claviger.data_folder().join("keeper/journal"), "").unwrap();
    for again in [false, true] {
        if again {
            claviger.serve().stop();
        }
        let said = about("keeper");
        assert!(said.iter().any(|said| said.contains("1 of the log's 1 reveals are older")), "{said:?}");
    }
    let edit = Command::new("sqlite3")
        .arg(claviger.data_folder().join("claviger.db"))
        .arg("UPDATE log SET actor_name = 'somebody' WHERE position = 3")
        .status();
    assert!(edit.unwrap().success());
    let said = about("log");
    assert!(said.iter().any(|said| said.contains("position 3 does not fit")), "{said:?}");
}
