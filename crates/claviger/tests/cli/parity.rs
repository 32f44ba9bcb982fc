//! One table of calls through every door: the same call gets the same code at each (product.md F1).

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::workspace::id;
use super::{Shell, claviger};

/// A call as a gateway sees it, and the code that is due.
struct Row<'a> {
    code: &'a str,
    status: u16,
    api: &'a str,
    environment: Option<&'a str>,
    key: Option<&'a str>,
    secret: Option<&'a str>,
    permissions: &'a [&'a str],
    ip: Option<&'a str>,
}

/// A Key Set's id and the values of its first Key.
struct Made {
    key_set: String,
    key: String,
    secret: Option<String>,
}

fn post(shell: &Shell<'_>, path: &str, body: &Value) -> Value {
    shell.block_on(shell.client().post(path).body(body).send::<Value>()).unwrap().body
}

fn api(shell: &Shell<'_>, slug: &str, more: &Value) {
    let mut body = json!({
        "slug": slug,
        "name": slug,
        "upstreams": ["http://127.0.0.1:9000"],
        "auth_types": ["api_key"],
        "requires": "key",
        "permissions": ["orders:read", "orders:write"],
        "exposed": true,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post(shell, "/v1/apis", &body);
}

/// A new Application that subscribes in production; under a shown-once policy the answer has the values.
fn subscribe(shell: &Shell<'_>, api: &str, name: &str, more: &Value) -> Made {
    let application = id(&post(shell, "/v1/applications", &json!({ "name": name })));
    let mut body = json!({ "application_id": application, "api_id": api, "environment_id": "production" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = post(shell, "/v1/subscriptions", &body);
    let shown = &made["credentials"][0];
    Made {
        key_set: made["key_sets"][0]["id"].as_str().unwrap().to_owned(),
        key: shown["key"].as_str().unwrap().to_owned(),
        secret: shown["secret"].as_str().map(str::to_owned),
    }
}

fn question(row: &Row<'_>) -> Value {
    let mut body = json!({ "credential": {}, "api": row.api, "permissions": row.permissions });
    for (name, value) in [("key", row.key), ("secret", row.secret)] {
        if let Some(value) = value {
            body["credential"][name] = value.into();
        }
    }
    for (name, value) in [("environment", row.environment), ("ip", row.ip)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    body
}

/// Status and code of forward-auth.
fn forward_auth(url: &str, row: &Row<'_>) -> (u16, String) {
    let mut asked = format!("{url}/v1/forward-auth?api={}", row.api);
    if let Some(environment) = row.environment {
        asked += &format!("&environment={environment}");
    }
    if !row.permissions.is_empty() {
        asked += &format!("&permissions={}", row.permissions.join(","));
    }
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code} %header{x-claviger-code}", &asked]);
    for (name, value) in [("X-API-Key", row.key), ("X-API-Secret", row.secret), ("X-Forwarded-For", row.ip)] {
        if let Some(value) = value {
            curl.args(["-H", &format!("{name}: {value}")]);
        }
    }
    let output = String::from_utf8(curl.output().unwrap().stdout).unwrap();
    let (status, code) = output.split_once(' ').unwrap();
    (status.parse().unwrap(), code.to_owned())
}

#[test]
fn every_door_gives_one_answer_to_one_call() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let template = |name: &str, more: Value| {
        let mut body = json!({ "name": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id(&post(&shell, "/v1/policy-templates", &body))
    };
    let (brief, asking) = (
        template("Brief", json!({ "expires_after": "PT1S" })),
        template("Asking", json!({ "approval": "required" })),
    );
    api(&shell, "plain", &json!({}));
    api(&shell, "other", &json!({}));
    api(&shell, "hidden", &json!({ "exposed": false }));
    api(&shell, "pairs", &json!({ "auth_types": ["api_key_and_secret"], "requires": "key_and_secret" }));
    api(&shell, "listed", &json!({ "ip_allow_list": ["203.0.113.0/24"] }));
    api(&shell, "brief", &json!({ "policy_template_id": brief }));
    api(&shell, "asking", &json!({ "policy_template_id": asking }));

    let good = subscribe(&shell, "plain", "Good", &json!({ "permissions": ["orders:read"] }));
    let pair = subscribe(&shell, "pairs", "Pair", &json!({}));
    let other_pair = subscribe(&shell, "pairs", "Other pair", &json!({}));
    let listed = subscribe(&shell, "listed", "Listed", &json!({}));
    let pending = subscribe(&shell, "asking", "Pending", &json!({}));
    let expired = subscribe(&shell, "brief", "Expired", &json!({}));
    let suspended = subscribe(&shell, "plain", "Suspended", &json!({}));
    let revoked = subscribe(&shell, "plain", "Revoked", &json!({}));
    post(&shell, &format!("/v1/key-sets/{}/suspend", suspended.key_set), &json!({}));
    post(&shell, &format!("/v1/key-sets/{}/revoke", revoked.key_set), &json!({}));
    std::thread::sleep(Duration::from_millis(1_100));

    let row = |code, status, api| Row {
        code,
        status,
        api,
        environment: None,
        key: None,
        secret: None,
        permissions: &[],
        ip: Some("203.0.113.9"),
    };
    let with = |code, status, api, key| Row { key: Some(key), ..row(code, status, api) };
    let rows = [
        with("api_not_exposed", 404, "hidden", &good.key),
        with("api_not_exposed", 404, "never-was", &good.key),
        row("missing", 401, "plain"),
        with("malformed", 401, "plain", "clv_key_nonsense"),
        with("unknown", 401, "plain", &service_key),
        with("secret_required", 401, "pairs", &pair.key),
        Row { secret: other_pair.secret.as_deref(), ..with("secret_mismatch", 401, "pairs", &pair.key) },
        with("revoked", 401, "plain", &revoked.key),
        with("expired", 401, "brief", &expired.key),
        with("suspended", 401, "plain", &suspended.key),
        with("pending", 401, "asking", &pending.key),
        Row { environment: Some("sandbox"), ..with("wrong_environment", 403, "plain", &good.key) },
        with("not_subscribed", 403, "other", &good.key),
        Row { ip: Some("198.51.100.1"), ..with("ip_denied", 403, "listed", &listed.key) },
        Row { permissions: &["orders:write"], ..with("permission_denied", 403, "plain", &good.key) },
        Row { permissions: &["orders:read"], ..with("valid", 200, "plain", &good.key) },
        Row { environment: Some("production"), ..with("valid", 200, "plain", &good.key) },
        Row { secret: pair.secret.as_deref(), ..with("valid", 200, "pairs", &pair.key) },
        with("valid", 200, "listed", &listed.key),
    ];
    let items: Vec<Value> = rows.iter().map(question).collect();
    let batch = post(&shell, "/v1/verify/batch", &json!({ "items": items }));
    for (at, row) in rows.iter().enumerate() {
        let call = format!("call {at}, which is {}", row.code);
        let verified = post(&shell, "/v1/verify", &question(row));
        assert_eq!(verified["code"], row.code, "verify: {call}");
        assert_eq!(verified["allowed"], row.code == "valid", "verify: {call}");
        assert_eq!(batch["items"][at]["code"], row.code, "batch: {call}");
        assert_eq!(
            forward_auth(&server.url(), row),
            (row.status, row.code.to_owned()),
            "forward-auth: {call}"
        );
    }
}
