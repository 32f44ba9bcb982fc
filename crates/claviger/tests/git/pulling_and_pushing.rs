//! Documents come and go (product.md B3), with every algorithm of key pairs.

use serde_json::{Value, json};

use super::installation::{Installation, PATH, document, file, public_key, with};

#[test]
fn b3_every_algorithm_pulls_and_pushes() {
    let it = Installation::new();
    for algorithm in ["ed25519", "ecdsa-p256", "rsa-3072", "rsa-4096"] {
        let pair = it.pair(algorithm);
        it.host.authorize(public_key(&pair));
        let (api, title) = (format!("api-{algorithm}"), format!("By {algorithm}"));
        it.api(&api);
        let repository = it.host.repository(algorithm, &[(PATH, &file(&title)), ("README", b"Hello")]);
        let shown = it.set_up(&api, &it.integration(&repository, &pair));
        assert_eq!(shown["key_pair"]["public_key"], public_key(&pair));
        assert_eq!((&shown["synced"], &shown["host_key"]), (&Value::Null, &Value::Null));
        let pulled = it.succeeds(&api, "pull", &json!({}));
        assert_eq!((&pulled["kind"], &pulled["outcome"]["changed"]), (&json!("git_pull"), &json!(true)));
        assert_eq!(pulled["outcome"]["commit"], json!(repository.tip("main")));
        assert_eq!(it.get(&format!("/v1/apis/{api}/openapi")), document(&title));
        let again = it.succeeds(&api, "pull", &json!({}));
        assert_eq!(again["outcome"]["changed"], false, "it is the same");
        it.edit(&api, "Edited");
        assert_eq!(it.get(&format!("/v1/apis/{api}/git-integration"))["edited"], true);
        let pushed = it.succeeds(&api, "push", &json!({}));
        assert_eq!(pushed["outcome"]["commit"], json!(repository.tip("main")));
        assert_eq!(repository.read("main", PATH), Some(file("Edited")));
        assert_eq!(repository.read("main", "README"), Some(b"Hello".to_vec()), "nothing else is touched");
        assert_eq!(it.get(&format!("/v1/apis/{api}/git-integration"))["edited"], false);
    }
    it.demand_nothing_left();
}

#[test]
fn b3_a_push_makes_the_file_and_says_who_pushed_it() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[("README", b"Hello")]);
    let before = repository.tip("main").unwrap();
    it.set_up("orders", &it.integration(&repository, &pair));
    assert_eq!(it.fails("orders", "push", &json!({})), "invalid_document", "there is no document");
    it.edit("orders", "Orders");
    it.succeeds("orders", "push", &json!({}));
    assert_eq!(repository.read("main", PATH), Some(file("Orders")));
    assert_eq!(repository.git(&["rev-parse", "main^"]), before, "one commit on top, nothing forced");
    let said = repository.git(&["log", "-1", "--format=%an <%ae>%n%B", "main"]);
    assert!(said.starts_with("owner") && said.contains("<owner@example.org>"), "{said}");
    assert!(said.contains("Update api/openapi.json") && said.contains("service key"), "{said}");
    let again = it.succeeds("orders", "push", &json!({}));
    assert_eq!(again["outcome"]["changed"], false, "no commit for what is there already");
    let events = it.get("/v1/events?subject_kind=git_integration&sort=position");
    let kinds: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["git_integration.created", "git_integration.host_key_pinned", "git_integration.pushed"]
    );
    assert_eq!(events["items"][2]["actor"]["kind"], "service_key");
    let jobs = it.get("/v1/jobs?api_id=orders&kind=git_push&status=succeeded&count=true");
    assert_eq!(jobs["total"], 2);
    it.demand_nothing_left();
}

#[test]
fn b3_a_broken_document_changes_nothing() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Good"))]);
    it.set_up("orders", &it.integration(&repository, &pair));
    it.succeeds("orders", "pull", &json!({}));
    let outside = json!({
        "openapi": "3.1.0", "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"$ref": "https://example.com/a.json"}},
    });
    for (broken, pointer) in [
        (b"not JSON".to_vec(), ""),
        (br#"{"openapi": "3.1.0", "info": {"title": "T"}, "paths": {}}"#.to_vec(), "/info"),
        (br#"{"swagger": "2.0"}"#.to_vec(), "/openapi"),
        (serde_json::to_vec(&outside).unwrap(), "/paths/~1a/$ref"),
    ] {
        repository.commit("main", &[(PATH, &broken)]);
        let job = it.run("orders", "pull", &json!({"out_of_sync": "overwrite"}));
        assert_eq!(
            (&job["status"], &job["errors"][0]["code"]),
            (&json!("failed"), &json!("invalid_document"))
        );
        assert_eq!(job["errors"][0]["pointer"], pointer, "{job}");
        assert_eq!(it.title("orders"), "Good");
    }
    // YAML is read where the file's name says so, and its aliases are not followed.
    repository
        .commit("main", &[("api.yaml", b"openapi: 3.1.0\ninfo: {title: Yaml, version: '1'}\npaths: {}\n")]);
    it.set_up("orders", &with(&it.integration(&repository, &pair), "path", "api.yaml"));
    it.succeeds("orders", "pull", &json!({"out_of_sync": "overwrite"}));
    repository
        .commit("main", &[("api.yaml", b"openapi: &a 3.1.0\ninfo: {title: *a, version: '1'}\npaths: {}\n")]);
    assert_eq!(it.fails("orders", "pull", &json!({})), "invalid_document");
    // What is YAML is not pushed as a file that says that it is JSON.
    it.set_up("orders", &it.integration(&repository, &pair));
    assert_eq!(it.fails("orders", "push", &json!({"out_of_sync": "overwrite"})), "invalid_document");
    it.demand_nothing_left();
}

#[test]
fn a_shell_does_it_all() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let address = it.host.address("127.0.0.1", &repository);
    let pair_id = pair["id"].as_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = it.claviger.command(arguments);
        command.arg("--json").env("CLAVIGER_URL", it.server.url()).env("CLAVIGER_KEY", &it.key);
        let output = claviger_testkit::Output::of(&mut command, "");
        output.demand_success(&arguments.join(" "));
        serde_json::from_str::<Value>(&output.stdout).unwrap_or_default()
    };
    let settings =
        ["orders", "--address", &address, "--branch", "main", "--path", PATH, "--key-pair-id", pair_id];
    let with_settings = |verb: &'static str| [&["git-integrations", verb][..], &settings].concat();
    let tested = run(&with_settings("test"));
    assert_eq!((&tested["ok"], &tested["code"]), (&json!(true), &Value::Null), "{tested}");
    assert_eq!(run(&with_settings("put"))["enabled"], true);
    let job = run(&["git-integrations", "pull", "orders"]);
    assert_eq!(it.ended(&job)["status"], "succeeded");
    let shown = run(&["git-integrations", "show", "orders"]);
    assert_eq!(shown["host_key"]["type"], "ssh-ed25519");
    assert_eq!(run(&["jobs", "show", job["id"].as_str().unwrap()])["outcome"]["changed"], true);
    assert_eq!(run(&["jobs", "list", "--kind", "git_pull"])["items"].as_array().unwrap().len(), 1);
    let job = run(&["git-integrations", "push", "orders", "--out-of-sync", "overwrite"]);
    assert_eq!(it.ended(&job)["outcome"]["changed"], false);
    run(&["git-integrations", "forget-host-key", "orders"]);
    run(&["git-integrations", "delete", "orders"]);
    assert_eq!(it.refused("GET", "/v1/apis/orders/git-integration", &Value::Null).status, 404);
}
