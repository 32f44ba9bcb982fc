//! An integration is typed, tried, saved, and taken away (product.md B1, B2, A5).

use serde_json::{Value, json};

use super::installation::{Installation, PATH, file, public_key, with};

const INTEGRATION: &str = "/v1/apis/orders/git-integration";
const TEST: &str = "/v1/apis/orders/git-integration/test";

#[test]
fn b2_what_is_typed_is_tried_before_it_is_saved() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let stranger = it.pair("ecdsa-p256");
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let empty = it.host.empty_repository("empty");
    let typed = it.integration(&repository, &pair);
    let tested = it.post(TEST, &typed);
    assert_eq!((&tested["ok"], &tested["code"]), (&json!(true), &Value::Null), "{tested}");
    assert_eq!(
        (&tested["host_key"]["type"], &tested["host_key"]["pinned_at"]),
        (&json!("ssh-ed25519"), &Value::Null)
    );
    assert!(tested["host_key"]["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    let nowhere = it.host.address("127.0.0.1", &repository).replace("orders", "no-such");
    let closed = "ssh://git@127.0.0.1:1/orders";
    for (changed, code) in [
        (with(&typed, "branch", "no-such"), "branch_not_found"),
        (with(&typed, "path", "no/such.json"), "file_not_found"),
        (with(&typed, "path", "api"), "not_a_file"),
        (with(&typed, "address", &nowhere), "repository_not_found"),
        (with(&typed, "address", &it.host.address("127.0.0.1", &empty)), "repository_empty"),
        (with(&typed, "key_pair_id", stranger["id"].as_str().unwrap()), "auth_failed"),
        (with(&typed, "address", closed), "unreachable"),
    ] {
        let tested = it.post(TEST, &changed);
        assert_eq!((&tested["ok"], &tested["code"]), (&json!(false), &json!(code)), "{tested}");
        assert!(tested["detail"].as_str().unwrap().len() > 20, "{tested}");
        assert_eq!(tested["host_key"].is_null(), code == "unreachable", "{tested}");
    }
    assert_eq!(it.refused("GET", INTEGRATION, &Value::Null).status, 404, "nothing was saved");
    assert_eq!(it.get("/v1/events?subject_kind=git_integration")["items"], json!([]));
    it.demand_nothing_left();
}

#[test]
fn b1_nothing_typed_means_something_else_further_down() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let typed = it.integration(&repository, &pair);
    for (member, hostile) in [
        ("address", "-oProxyCommand=id@host:x"),
        ("address", "ext::sh -c id"),
        ("address", "https://github.com/acme/orders.git"),
        ("address", "file:///etc/passwd"),
        ("address", "git@-oProxyCommand=id:x"),
        ("address", "git@host:--upload-pack=id"),
        ("address", "git@host:a/../b"),
        ("address", "ssh://git:secret@host/x"),
        ("address", "git@host:a\nb"),
        ("address", "git@127.1:x"),
        ("branch", "--upload-pack=id"),
        ("branch", "refs/heads/main"),
        ("branch", "a..b"),
        ("branch", "+main:main"),
        ("branch", "a\u{202e}b"),
        ("path", "../../etc/passwd"),
        ("path", "/etc/passwd"),
        ("path", "a/../b"),
        ("path", "-o"),
        ("path", ".git/hooks/post-receive"),
        ("path", "a\u{0}b"),
        ("key_pair_id", "kp_nothing"),
        ("key_pair_id", "kp_00000000000000000000000000"),
    ] {
        let body = with(&typed, member, hostile);
        for (method, path) in [("PUT", INTEGRATION), ("POST", TEST)] {
            let problem = it.refused(method, path, &body);
            let pointers: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!((problem.status, pointers), (422, vec![&*format!("/{member}")]), "{hostile:?}");
        }
    }
    assert_eq!(it.host.sign_ins(), 0);
}

#[test]
fn a5_b1_a_pair_in_use_stays_and_what_is_turned_off_does_nothing() {
    let it = Installation::new();
    let pair = it.welcome_pair();
    let pair_path = format!("/v1/key-pairs/{}", pair["id"].as_str().unwrap());
    let repository = it.host.repository("orders", &[(PATH, &file("Orders"))]);
    let typed = it.integration(&repository, &pair);
    let saved = it.set_up("orders", &typed);
    assert_eq!(
        (&saved["address"], &saved["branch"], &saved["path"]),
        (&typed["address"], &typed["branch"], &typed["path"])
    );
    assert_eq!(
        (&saved["key_pair_id"], saved["key_pair"]["public_key"].as_str()),
        (&pair["id"], Some(public_key(&pair)))
    );
    assert_eq!(it.set_up("orders", &typed), saved, "putting what is there is no change");
    let problem = it.refused("DELETE", &pair_path, &Value::Null);
    assert_eq!((problem.status, problem.code.as_str()), (409, "in_use"));
    it.succeeds("orders", "pull", &json!({}));
    let mut off = typed.clone();
    off["enabled"] = json!(false);
    assert_eq!(it.set_up("orders", &off)["can"], json!(["update", "delete", "test", "host-key"]));
    for act in ["pull", "push"] {
        let problem = it.refused("POST", &format!("{INTEGRATION}/{act}"), &json!({}));
        assert_eq!((problem.status, problem.code.as_str()), (409, "invalid_transition"));
    }
    let problem = it.refused("POST", &format!("{INTEGRATION}/pull"), &json!({"out_of_sync": "perhaps"}));
    assert_eq!(problem.status, 422);
    it.delete("/v1/apis/orders");
    it.delete(&pair_path);
    let events = it.get("/v1/events?subject_kind=git_integration&kind=git_integration.deleted");
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "an API takes its integration along");
}
