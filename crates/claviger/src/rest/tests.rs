//! What is typed becomes the request that was meant.

use std::collections::BTreeSet;

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
    assert!(typed("verify - --cost 0").is_err());
    let Asks::Verify { body } = typed("verify - --api orders --cost 3 --permissions a,b").unwrap().asks
    else {
        panic!("not verify")
    };
    assert_eq!(Value::Object(body), json!({ "api": "orders", "cost": 3, "permissions": ["a", "b"] }));
}

#[test]
fn documents_come_and_go_as_files() {
    let Asks::Document(asked) = typed("apis openapi put orders o.yaml --if-match \"e\"").unwrap().asks else {
        panic!("no document")
    };
    assert!(format!("{asked:?}").contains("/v1/apis/orders/openapi"), "{asked:?}");
    assert_eq!(verb("apis openapi operations orders --limit 5").path, "/v1/apis/orders/openapi/operations");
    assert!(typed("apis openapi put orders").is_err() && typed("apis openapi").is_err());
    assert!(typed("apis openapi put orders o.txt --format xml").is_err());
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

/// Routes that no row of the table reaches, and why.
const WITHOUT_A_ROW: [(&str, &str, &str); 16] = [
    ("POST", "/v1/nodes/join", "`claviger gateway join` reads the token from standard input"),
    ("GET", "/v1/apis/{}/openapi", "`claviger apis openapi get` prints the document itself"),
    ("PUT", "/v1/apis/{}/openapi", "`claviger apis openapi put` sends a file"),
    ("GET", "/v1/apis/{}/openapi/versions", "`claviger apis openapi versions`, below the noun"),
    ("GET", "/v1/apis/{}/openapi/operations", "`claviger apis openapi operations`, below the noun"),
    ("GET", "/v1/portal/openapi", "for those who have a link and no service key"),
    ("GET", "/v1/portal/operations", "for those who have a link and no service key"),
    ("POST", "/v1/portal/try", "for those who have a link and no service key"),
    ("POST", "/v1/verify", "`claviger verify -` reads the credential from standard input"),
    ("POST", "/v1/verify/batch", "for programs: a shell asks once for each line"),
    ("POST", "/v1/which-key", "`claviger which-key -` reads the value from standard input"),
    ("GET", "/v1/portal", "for those who have a link and no service key"),
    ("POST", "/v1/portal/secret", "for those who have a link and no service key"),
    ("GET", "/v1/portal/usage", "for those who have a link and no service key"),
    ("POST", "/v1/portal/session", "for the portal's page"),
    ("DELETE", "/v1/portal/session", "for the portal's page"),
];

/// Making many at once is for programs: a shell creates one after another. Acting on many Key Sets is not.
fn makes_many((method, path): &(String, String)) -> bool {
    method == "POST" && path.ends_with("/bulk") && path != "/v1/key-sets/bulk"
}

/// A path without the names of its places.
fn bare(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_has_a_command_and_every_command_a_route() {
    let routes: BTreeSet<(String, String)> = claviger_api::permissions(&claviger_api::document())
        .into_keys()
        .filter(|(path, _)| path.starts_with("/v1/"))
        .map(|(path, method)| (method, bare(&path)))
        .collect();
    let rows = NOUNS.iter().flat_map(|noun| noun.verbs);
    let commands: BTreeSet<(String, String)> =
        rows.map(|verb| (verb.how.method().to_string(), bare(verb.path))).collect();
    let without: BTreeSet<(String, String)> =
        WITHOUT_A_ROW.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let lost: Vec<_> = commands.difference(&routes).collect();
    assert!(lost.is_empty(), "commands without a route: {lost:?}");
    let unreached: Vec<_> =
        routes.difference(&commands).filter(|route| !without.contains(route) && !makes_many(route)).collect();
    assert!(unreached.is_empty(), "routes without a command: {unreached:?}");
    let stale: Vec<_> =
        without.iter().filter(|route| !routes.contains(route) || commands.contains(route)).collect();
    assert!(stale.is_empty(), "no longer without a command, or no route at all: {stale:?}");
}

/// Paging, which all lists have; waiting for a write of another program; and another form of the log, for which
/// `--json` stands.
const NO_FLAGS: [&str; 6] = ["limit", "cursor", "sort", "count", "wait_for", "format"];

#[test]
fn every_flag_is_known_to_its_route_and_every_parameter_and_member_has_a_flag() {
    let document = claviger_api::document();
    let mut wrong = Vec::new();
    for verb in NOUNS.iter().flat_map(|noun| noun.verbs) {
        let operation = operation(&document, verb);
        let known = taken_by(&document, operation);
        let said = verb.says.iter().map(|(name, _)| (*name).to_owned());
        let flags =
            verb.all_flags().map(|flag| flag.place().split('/').next().unwrap_or_default().to_owned());
        let given: BTreeSet<String> = flags.chain(said).collect();
        for name in given.symmetric_difference(&known) {
            wrong.push(format!("{} {}: {name}", verb.how.method(), verb.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn operation<'a>(document: &'a Value, verb: &Verb) -> &'a Value {
    let mut paths = document["paths"].as_object().unwrap().iter();
    let (_, item) = paths.find(|(path, _)| bare(path) == bare(verb.path)).unwrap();
    &item[verb.how.method().as_str().to_lowercase()]
}

/// The names of a route's own parameters and of its body's members.
fn taken_by(document: &Value, operation: &Value) -> BTreeSet<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    let names = of_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned());
    let own = names.filter(|name| !NO_FLAGS.contains(&name.as_str()));
    let mut schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let named = std::iter::once(schema).chain(alternatives).find_map(|schema| schema["$ref"].as_str());
    if let Some(name) = named {
        schema = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
    }
    let members = schema["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned());
    own.chain(members).collect()
}
