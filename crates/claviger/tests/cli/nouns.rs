//! The REST API from a shell: every noun of the command line against a real server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use claviger_testkit::{Claviger, Output};
use serde_json::{Value, json};

use super::workspace::{Workspace, id, retrievable};
use super::{Shell, claviger};

#[test]
fn a_key_sets_life_from_a_shell() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let template = id(&shell.json(&["policy-templates", "create", "--name", "Shown once"]));
    let made = Workspace::new(&shell, "orders", &template);
    let key = made.subscription["credentials"][0]["key"].as_str().expect("shown once");
    let set = made.key_set.as_str();
    let verify = |key: &str| made.verify(&shell, key);
    assert_eq!(verify(key), "valid");
    for (act, status, code) in [("suspend", "suspended", "suspended"), ("activate", "active", "valid")] {
        let reason = ["--reason", "a test"];
        let arguments = ["key-sets", act, set].iter().chain(&reason).copied().collect::<Vec<_>>();
        assert_eq!(shell.json(&arguments)["status"], status);
        assert_eq!(verify(key), code);
    }
    let refused = shell.refused(&["key-sets", "activate", set]);
    assert_eq!(refused["code"], "invalid_transition");
    assert!(refused["allowed"].as_array().unwrap().contains(&json!("suspend")), "{refused}");
    shell.json(&["key-sets", "regenerate", set]);
    assert_eq!(verify(key), "revoked");
    shell.json(&["key-sets", "revoke", set]);
    assert_eq!(shell.json(&["key-sets", "show", set])["status"], "revoked");
    assert_eq!(id(&shell.json(&["key-sets", "issue", set])), set);
    let timeline = shell.json(&["key-sets", "timeline", set]);
    assert!(timeline["items"].as_array().unwrap().len() >= 4, "{timeline}");
    let which = shell.run_with(&["which-key", "-", "--json"], key);
    which.demand_success("which-key");
    assert!(which.stdout.contains("revoked") && !which.stdout.contains(key), "{}", which.stdout);
    shell.json(&["subscriptions", "end", made.subscription["id"].as_str().unwrap()]);
    let deleted = shell.refused(&["applications", "delete", &made.application]);
    assert_eq!(deleted["code"], "in_use");
}

#[test]
fn people_get_tables_and_nothing_in_them_moves_the_cursor() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    for name in ["Shop", "Übung", "Lager"] {
        shell.run(&["applications", "create", "--name", name]).demand_success("create");
    }
    let output = shell.run(&["applications", "list", "--sort", "name", "--count"]);
    output.demand_success("list");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines[0].starts_with("ID") && lines[0].contains("NAME"), "{}", output.stdout);
    let names: Vec<&str> = lines[1..4].iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(names, ["Lager", "Shop", "Übung"]);
    assert_eq!(lines[4], "3 altogether");
    let page = shell.run(&["applications", "list", "--limit", "2"]).stdout;
    let cursor = page.lines().find_map(|line| line.strip_prefix("more: --cursor ")).expect("a cursor");
    let rest = shell.run(&["applications", "list", "--limit", "2", "--cursor", cursor]).stdout;
    assert_eq!(rest.lines().count(), 2, "{rest}");
    assert_eq!(
        shell.json(&["applications", "list", "--all", "--limit", "1"])["items"].as_array().unwrap().len(),
        3
    );
    let shown = shell.run(&["applications", "show", lines[1].split(' ').next().unwrap()]).stdout;
    assert!(shown.lines().any(|line| line.starts_with("name") && line.ends_with("Lager")), "{shown}");
    let refused = shell.run(&["applications", "create", "--name", "a\u{1b}[2Jb"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("/name") && !refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
}

#[test]
fn a_body_may_come_from_a_file_or_standard_input() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let template =
        json!({ "name": "Monthly", "rotates_every": "P30D", "overlap": "P3D", "retrievable": true });
    let file = claviger.data_folder().join("template.json");
    fs::write(&file, template.to_string()).unwrap();
    let made =
        shell.json(&["policy-templates", "create", "--body", file.to_str().unwrap(), "--overlap", "P1D"]);
    assert_eq!(
        (&made["rotates_every"], &made["overlap"], &made["version"]),
        (&json!("P30D"), &json!("P1D"), &json!(1))
    );
    let output = shell.run_with(&["applications", "create", "--body", "-", "--json"], r#"{"name": "Piped"}"#);
    output.demand_success("create");
    let output = shell.run_with(&["applications", "create", "--body", "-"], "{");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.contains("not JSON"), "{}", output.stderr);
    let updated = shell.json(&["policy-templates", "update", &id(&made), "--expires-after", "none"]);
    assert_eq!((&updated["expires_after"], &updated["version"]), (&Value::Null, &json!(2)));
    let (once, again) = (
        shell.json(&["applications", "create", "--name", "Once", "--idempotency-key", "k1"]),
        shell.json(&["applications", "create", "--name", "Once", "--idempotency-key", "k1"]),
    );
    assert_eq!(once, again);
}

#[test]
fn login_keeps_the_key_closed_to_others_and_says_whose_it_is() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let run = |arguments: &[&str], input: &str| Output::of(&mut claviger.command(arguments), input);
    let nothing = run(&["apis", "list", "--url", &server.url()], "");
    assert_eq!(nothing.status.code(), Some(1));
    assert!(nothing.stderr.contains("claviger login"), "{}", nothing.stderr);
    for (input, said) in [
        ("", "no service key"),
        ("nonsense", "no service key"),
        ("clv_svc_00000000000000000000000000000000000000", "no service key"),
    ] {
        let output = run(&["login", "--url", &server.url()], input);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.contains(said), "{input}: {}", output.stderr);
    }
    let output = run(&["login", "--url", &server.url()], &format!("{key}\n"));
    output.demand_success("login");
    assert!(
        output.stdout.contains("First key of the owner") && !output.stdout.contains(&key),
        "{}",
        output.stdout
    );
    let file = claviger.data_folder().join(".config/claviger/login.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    run(&["apis", "list"], "").demand_success("apis list");
    // A key is sent to no other server than the one it was given for.
    let elsewhere = run(&["apis", "list", "--url", "http://127.0.0.1:9"], "");
    assert!(elsewhere.stderr.contains("no service key for"), "{}", elsewhere.stderr);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = run(&["apis", "list"], "");
    assert!(open.stderr.contains("can be read by others") && !open.stderr.contains(&key), "{}", open.stderr);
}

#[test]
fn events_are_told_as_they_happen() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let mut tail = tail(&claviger, &shell);
    // It tells only what happens after it began; until then each name is one that it may miss.
    let mut number = 0;
    while tail.lines() == 0 {
        number += 1;
        shell.json(&["applications", "create", "--name", &format!("Number {number}")]);
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(number < 100, "the tail tells nothing");
    }
    let told: Value = serde_json::from_str(&tail.first_line()).unwrap();
    assert_eq!(told["kind"], "application.created");
    tail.end();
}

#[test]
fn a_tail_outlives_a_restart_of_the_server() {
    let port = claviger_testkit::free_port();
    let address = port.address().to_string();
    // The last one given counts: a server that is started again must be found where it was.
    let url = format!("http://{address}");
    let claviger = claviger();
    let key = claviger.init().service_key;
    let start = || {
        let any = claviger_testkit::free_port().address().to_string();
        let arguments =
            ["serve", "--listen", &address, "--gateway-listen", &any, "--metrics-listen", "127.0.0.1:0"];
        claviger.command_on_data(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let run = |arguments: &[&str]| {
        let mut command = claviger.command(arguments);
        Output::of(command.env("CLAVIGER_URL", &url).env("CLAVIGER_KEY", &key), "")
    };
    let until_it_answers = || {
        for _ in 0..300 {
            if run(&["apis", "list"]).status.success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the server does not answer");
    };
    let mut server = start();
    until_it_answers();
    let file = claviger.data_folder().join("tail");
    let mut command = claviger.command(&["events", "tail", "--kind", "application.created", "--json"]);
    command.env("CLAVIGER_URL", &url).env("CLAVIGER_KEY", &key);
    let child = command.stdout(fs::File::create(&file).unwrap()).spawn().unwrap();
    let mut tail = Tail { child, file };
    std::thread::sleep(std::time::Duration::from_secs(2));
    server.kill().unwrap();
    server.wait().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mut server = start();
    until_it_answers();
    run(&["applications", "create", "--name", "Afterwards"]).demand_success("create");
    for _ in 0..300 {
        if tail.lines() > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(tail.first_line().contains("Afterwards"), "{}", tail.text());
    tail.end();
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn an_act_on_many_that_is_refused_for_one_is_refused() {
    let claviger = claviger();
    let key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &key);
    let made = Workspace::new(&shell, "orders", &retrievable(&shell));
    let bulk = |act: &str| shell.run(&["key-sets", "bulk", "--act", act, "--ids", &made.key_set, "--json"]);
    let first = bulk("suspend");
    first.demand_success("suspend");
    assert!(first.stdout.contains("\"done\": true"), "{}", first.stdout);
    let again = bulk("issue");
    assert_eq!(again.status.code(), Some(1), "{}", again.stdout);
    assert!(again.stdout.contains("\"done\": false"), "{}", again.stdout);
}

/// `events tail` with its output in a file.
struct Tail {
    child: std::process::Child,
    file: std::path::PathBuf,
}

fn tail(claviger: &Claviger, shell: &Shell<'_>) -> Tail {
    let file = claviger.data_folder().join("tail");
    let mut command = shell.command(&["events", "tail", "--kind", "application.created", "--json"]);
    let child = command.stdout(fs::File::create(&file).unwrap()).spawn().unwrap();
    Tail { child, file }
}

impl Tail {
    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn lines(&self) -> usize {
        self.text().lines().count()
    }

    fn first_line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.end();
    }
}
