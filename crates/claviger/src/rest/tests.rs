//! What is typed becomes the request that was meant.

use serde_json::{Value, json};

use super::*;
use crate::arguments;
use request::VerbRequest;

fn typed(line: &str) -> Result<Request, String> {
    let words = std::iter::once("claviger").chain(line.split(' '));
    let matches = arguments::command().try_get_matches_from(words).map_err(|error| error.to_string())?;
    request(&matches)?.ok_or_else(|| "not of the REST API".to_owned())
}

fn verb(line: &str) -> VerbRequest {
    match typed(line).unwrap().asks {
        Asks::Verb(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn body(line: &str) -> Value {
    verb(line).body.unwrap().over(None).unwrap()
}

#[test]
fn the_grammar_is_sound() {
    arguments::command().debug_assert();
}

#[test]
fn lists_take_filters_and_pages() {
    let request =
        verb("key-sets list --status active,suspended --q orders --sort -expires_at --limit 5 --count");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/key-sets"));
    let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        query,
        ["q=orders", "status=active", "status=suspended", "limit=5", "sort=-expires_at", "count=true"]
    );
    assert!(request.body.is_none());
}

#[test]
fn bodies_are_made_of_flags() {
    assert_eq!(
        body(
            "apis create --slug orders --name Orders --auth-types api_key,basic --rate-limit 100/minute/200 \
             --ip-allow-list none --exposed true --credential-headers {\"preset\":\"ibm\"}"
        ),
        json!({
            "slug": "orders", "name": "Orders", "auth_types": ["api_key", "basic"],
            "rate_limit": { "limit": 100, "per": "minute", "burst": 200 }, "ip_allow_list": null,
            "exposed": true, "credential_headers": { "preset": "ibm" },
        })
    );
    assert_eq!(
        body("service-keys create --name CI --permission-group-ids pg_1 --scope-organization-id org_1"),
        json!({
            "name": "CI", "permission_group_ids": ["pg_1"], "scope": { "organization_id": "org_1" },
        })
    );
    assert_eq!(body("apis unexpose orders"), json!({ "exposed": false }));
    assert_eq!(body("key-sets suspend ks_1"), json!({}));
    assert_eq!(
        body("key-sets set-policy ks_1 --policy-template-id pol_1 --enforce-schedule"),
        json!({ "policy_template_id": "pol_1", "enforce_schedule": true })
    );
}

#[test]
fn a_file_gives_what_flags_do_not() {
    let request = verb("apis create --body api.json --name Orders");
    let whole = request.body.unwrap().over(Some(r#"{"slug": "orders", "name": "Old", "x": 1}"#)).unwrap();
    assert_eq!(whole, json!({ "slug": "orders", "name": "Orders", "x": 1 }));
    let request = verb("apis create --body api.json --name Orders");
    assert!(request.body.unwrap().over(Some("{}")).unwrap_err().contains("--slug"));
    let request = verb("apis create --body api.json --name Orders");
    assert!(request.body.unwrap().over(Some("no")).is_err());
}

#[test]
fn ids_stay_in_their_segment() {
    assert_eq!(verb("key-sets show ks_1/../../x?y#z").path, "/v1/key-sets/ks_1%2F..%2F..%2Fx%3Fy%23z");
    assert_eq!(verb("key-sets revoke-key ks_1 key_1").path, "/v1/key-sets/ks_1/keys/key_1/revoke");
    assert!(typed("key-sets show ..").unwrap_err().contains("is no id"));
}

#[test]
fn secrets_are_no_arguments() {
    assert!(matches!(typed("which-key -").unwrap().asks, Asks::WhichKey));
    assert!(typed("which-key clv_key_x").is_err());
    assert!(typed("verify clv_key_x --api orders").is_err());
    let Asks::Verify { body } = typed("verify - --api orders --permissions a,b").unwrap().asks else {
        panic!("not verify")
    };
    assert_eq!(Value::Object(body), json!({ "api": "orders", "permissions": ["a", "b"] }));
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    for (line, said) in [
        ("apis create --name Orders", "--slug is missing"),
        ("apis create --slug a --name b --rate-limit many", "--rate-limit must be like"),
        ("apis create --slug a --name b --cors {", "--cors must be JSON"),
        ("apis create --slug a --name b --exposed maybe", "maybe"),
        ("apis fly orders", "fly"),
        ("apis show", "<id>"),
    ] {
        let error = typed(line).unwrap_err();
        assert!(error.contains(said), "{line}: {error}");
    }
}

#[test]
fn names_of_verbs_and_flags_are_plain_and_none_is_twice() {
    for noun in NOUNS {
        let mut names: Vec<_> = noun.verbs.iter().map(|verb| verb.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), noun.verbs.len(), "{}", noun.name);
        for verb in noun.verbs {
            assert!(verb.path.starts_with("/v1/"), "{}", verb.path);
            assert!(!verb.about.ends_with('.') && !verb.about.is_empty(), "{}", verb.about);
        }
    }
}
