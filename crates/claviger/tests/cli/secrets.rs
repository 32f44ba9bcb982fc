//! No secret where none belongs. Each place is searched by one function, which first finds the same secret
//! where it was put on purpose.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use claviger_testkit::{Claviger, Database, Postgres, Server, Upstream};
use serde_json::Value;

use super::workspace::{Workspace, retrievable};
use super::{Shell, claviger};

/// The secrets of one installation, each with what it is.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    /// Which of them stand in `text`: whole, their random part alone, or in hexadecimal digits.
    fn found_in(&self, text: &[u8]) -> Vec<&'static str> {
        let stands = |secret: &str| {
            let random = secret.rsplit('_').next().unwrap_or(secret);
            let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            [secret, random, &hexadecimal].iter().any(|form| contains(text, form.as_bytes()))
        };
        self.0.iter().filter(|(_, secret)| stands(secret)).map(|(what, _)| *what).collect()
    }

    #[track_caller]
    fn demand_absent(&self, place: &str, text: &[u8]) {
        assert!(!text.is_empty(), "{place} is empty: nothing was searched");
        assert_eq!(self.found_in(text), Vec::<&str>::new(), "in {place}");
    }

    #[track_caller]
    fn demand_all(&self, place: &str, text: &[u8]) {
        assert_eq!(self.found_in(text).len(), self.0.len(), "planted in {place}, and found only some");
    }

    /// All of them, one after the other.
    fn text(&self) -> String {
        self.0.iter().map(|(_, secret)| secret.as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// An installation on which every kind of secret was made, shown and used.
struct Used {
    claviger: Claviger,
    server: Server,
    service_key: String,
    secrets: Secrets,
}

fn used(database: Option<&Database>) -> Used {
    let mut claviger = claviger().with_variable("CLAVIGER_LOG__FILTER", "trace");
    if let Some(database) = database {
        claviger = claviger.with_database(database.url());
    }
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let mut secrets = vec![("the service key", service_key.clone())];
    let all = "api_key,api_key_and_secret,basic";
    let made = Workspace::with_auth_types(&shell, "orders", &retrievable(&shell), all);
    for set in made.subscription["key_sets"].as_array().unwrap() {
        let shown = shell.json(&["key-sets", "retrieve", set["id"].as_str().unwrap()]);
        for (member, what) in [
            ("key", "a retrieved key"),
            ("secret", "a retrieved secret"),
            ("username", "a retrieved user name"),
            ("password", "a retrieved password"),
        ] {
            secrets.extend(shown[member].as_str().map(|value| (what, value.to_owned())));
        }
    }
    let template = shell.json(&["policy-templates", "create", "--name", "Shown once"]);
    let once = Workspace::new(&shell, "stock", template["id"].as_str().unwrap());
    let key = once.subscription["credentials"][0]["key"].as_str().unwrap();
    secrets.push(("a key shown once", key.to_owned()));
    for (_, secret) in &secrets {
        use_everywhere(&shell, &server, secret);
    }
    assert!(secrets.len() >= 6, "{}", secrets.len());
    Used { claviger, server, service_key, secrets: Secrets(secrets) }
}

/// Presents a secret wherever one can be, also where none belongs.
fn use_everywhere(shell: &Shell<'_>, server: &Server, secret: &str) {
    shell.run_with(&["verify", "-", "--api", "orders"], secret);
    shell.run_with(&["which-key", "-"], secret);
    for arguments in [
        &["applications", "create", "--name", secret][..],
        &["applications", "create", "--name", &format!("mine: {secret}")],
        &["key-sets", "show", secret],
        &["apis", "list", "--q", secret],
        &["events", "list", "--kind", secret],
    ] {
        shell.run(arguments);
    }
    let client = shell.client();
    for path in
        [format!("/{secret}"), format!("/v1/forward-auth?api={secret}"), format!("/v1/apis?cursor={secret}")]
    {
        let _ = shell.block_on(client.get(&path).header("x-request-id", secret).send::<Value>());
    }
    let wrong = claviger_client::Client::new(&server.url()).unwrap().with_key(secret).unwrap();
    let _ =
        shell.block_on(wrong.post("/v1/verify").raw_body("application/json", secret.into()).send::<Value>());
}

#[test]
fn none_in_the_log_lines_or_the_metrics() {
    let used = used(None);
    // The quickstart shows its key on purpose, to the same place that log lines go to in these tests.
    let tour = claviger();
    let mut quickstart = tour.quickstart();
    quickstart.wait_for_log("stays up");
    let log = quickstart.log();
    let key = log.split("X-API-Key: ").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
    Secrets(vec![("the quickstart's key", key)]).demand_all("the quickstart's output", log.as_bytes());
    let upstream = Upstream::start();
    let planted = fetch(&format!("{}/{}", upstream.url(), used.secrets.text().replace(' ', "/")));
    used.secrets.demand_all("an answer that repeats the request", &planted);

    let metrics = fetch(&format!("{}/metrics", used.server.metrics_url()));
    assert!(contains(&metrics, b"claviger_http_requests_total"), "{}", String::from_utf8_lossy(&metrics));
    used.secrets.demand_absent("the metrics", &metrics);
    let main = fetch(&format!("{}/metrics", used.server.url()));
    assert!(!contains(&main, b"claviger_http"), "metrics are on their own address alone");
    let secrets = used.secrets;
    let (_, log) = used.server.stop();
    assert!(log.contains("DEBUG"), "every line was asked for: {log}");
    secrets.demand_absent("the log lines", log.as_bytes());
}

#[test]
fn none_in_process_arguments_or_the_environment() {
    let used = used(None);
    let mut planted = Planted::start(&used.secrets.text());
    used.secrets.demand_all("planted arguments", &process_file(planted.0.id(), "cmdline"));
    used.secrets.demand_all("a planted environment", &process_file(planted.0.id(), "environ"));
    planted.end();
    let processes: Vec<u32> =
        used.server.descendants().into_iter().chain([used.server.process_id()]).collect();
    assert_eq!(processes.len(), 2, "the server and its keeper");
    for process in processes {
        used.secrets.demand_absent("the arguments", &process_file(process, "cmdline"));
        // The keeper's is empty, and whoever could read it of another user is root.
        let environment = process_file(process, "environ");
        assert_eq!(used.secrets.found_in(&environment), Vec::<&str>::new(), "in the environment");
    }
}

#[test]
fn none_in_events_or_errors() {
    let used = used(None);
    let shell = Shell::new(&used.claviger, &used.server, &used.service_key);
    let events = shell.json(&["events", "list", "--all"]);
    assert!(events["items"].as_array().unwrap().len() > 20);
    used.secrets.demand_absent("the events", events.to_string().as_bytes());
    let upstream = Upstream::start();
    for (_, secret) in &used.secrets.0 {
        for arguments in [
            &["applications", "create", "--name", secret.as_str()][..],
            &["key-sets", "show", secret],
            &["apis", "list", "--sort", secret],
            &["events", "list", "--limit", secret],
        ] {
            let output = shell.run(arguments);
            used.secrets.demand_absent("an error", format!("{}{}.", output.stdout, output.stderr).as_bytes());
        }
        let echoed = fetch(&format!("{}/v1/apis?sort={secret}", upstream.url()));
        assert!(
            !used.secrets.found_in(&echoed).is_empty(),
            "an answer that repeats what was sent is noticed"
        );
    }
}

#[test]
fn none_in_the_data_folder_or_a_dump_of_the_database() {
    let used_here = used(None);
    let folder = used_here.claviger.data_folder().to_owned();
    let planted = folder.join("planted");
    fs::write(&planted, used_here.secrets.text()).unwrap();
    used_here.secrets.demand_all("a planted file", &all_bytes(&folder));
    fs::remove_file(&planted).unwrap();
    used_here.secrets.demand_absent("the data folder", &all_bytes(&folder));

    let database = Postgres::shared().create_database();
    let used_there = used(Some(&database));
    let sql = |statement: String| {
        let status = Command::new("psql").args(["-q", "-c", &statement, database.url()]).status().unwrap();
        assert!(status.success(), "{statement}");
    };
    sql(format!("CREATE TABLE planted AS SELECT '{}' AS text", used_there.secrets.text()));
    used_there.secrets.demand_all("a planted row", database.dump().as_bytes());
    sql("DROP TABLE planted".to_owned());
    used_there.secrets.demand_absent("a dump of PostgreSQL", database.dump().as_bytes());
}

/// A process with a text in its arguments and its environment.
struct Planted(Child);

impl Planted {
    fn start(text: &str) -> Self {
        // It waits for a line that nobody writes, and starts no process that could outlive it. Only once it
        // speaks does the kernel surely show its arguments.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo here; read -r line", text]).env("PLANTED", text);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 5];
        child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
        Self(child)
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.end();
    }
}

fn process_file(process: u32, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{process}/{name}")).unwrap_or_else(|e| panic!("/proc/{process}/{name}: {e}"))
}

fn fetch(url: &str) -> Vec<u8> {
    Command::new("curl").args(["-s", url]).output().unwrap().stdout
}

/// Every byte of every file below a folder.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { fs::read(&path).unwrap() });
    }
    bytes
}
