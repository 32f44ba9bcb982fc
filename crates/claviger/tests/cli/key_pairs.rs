//! Key pairs from a shell, against a real server and its keeper; what they sign, checked by a stock library, and
//! their public halves, read by OpenSSH.

use std::process::Command;

use claviger_client::reqwest;
use claviger_testkit::{Output, Server};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::workspace::id;
use super::{Shell, claviger};

const ALGORITHMS: [&str; 4] = ["ed25519", "ecdsa-p256", "rsa-3072", "rsa-4096"];
const CLAIMS: &str = "{\"sub\":\"shop\",\"aud\":\"partner\"}";

/// The keys that check tokens, as anybody reads them.
fn published(shell: &Shell<'_>, server: &Server) -> JwkSet {
    shell.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("{}/.well-known/jwks.json", server.url())).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    })
}

/// The claims, if the library takes the token for one of these keys.
fn checked(token: &str, keys: &JwkSet) -> Result<Value, String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let key = keys.find(header.kid.as_deref().unwrap_or_default()).ok_or("no such key")?;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["partner"]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    decode::<Value>(token, &key, &validation).map(|token| token.claims).map_err(|error| error.to_string())
}

#[test]
fn a_stock_library_checks_what_each_algorithm_signs() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let sign = |pair: &str| {
        let signed = shell.json(&["key-pairs", "sign-jwt", pair, "--claims", CLAIMS, "--ttl", "PT10M"]);
        signed["jwt"].as_str().unwrap().to_owned()
    };
    let mut tokens = Vec::new();
    for algorithm in ALGORITHMS {
        let create = [
            "key-pairs",
            "create",
            "--name",
            algorithm,
            "--algorithm",
            algorithm,
            "--uses",
            "jwt",
            "--public",
        ];
        let pair = id(&shell.json(&create));
        tokens.push((sign(&pair), pair));
    }
    let keys = published(&shell, &server);
    assert_eq!(keys.keys.len(), ALGORITHMS.len());
    for (token, pair) in &tokens {
        let claims = checked(token, &keys).unwrap_or_else(|error| panic!("{pair}: {error}"));
        assert_eq!((&claims["sub"], &claims["aud"]), (&"shop".into(), &"partner".into()));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        let parts: Vec<&str> = token.split('.').collect();
        for (other, _) in tokens.iter().filter(|(other, _)| other != token) {
            let foreign: Vec<&str> = other.split('.').collect();
            let forged = [parts[0], foreign[1], foreign[2]].join(".");
            assert!(checked(&forged, &keys).is_err(), "another pair's signature");
        }
    }
    let (token, pair) = &tokens[0];
    shell.json(&["key-pairs", "update", pair, "--public", "false"]);
    assert_eq!(checked(token, &published(&shell, &server)), Err("no such key".to_owned()));
    let git = id(&shell.json(&["key-pairs", "create", "--name", "Git"]));
    let refused = shell.refused(&["key-pairs", "sign-jwt", &git, "--claims", CLAIMS]);
    assert_eq!(refused["code"], "not_for_this_use");
}

#[test]
fn openssh_reads_the_public_half_and_tells_the_same_fingerprint() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    for algorithm in ALGORITHMS {
        let pair = shell.json(&["key-pairs", "create", "--name", algorithm, "--algorithm", algorithm]);
        let public = &pair["public_key"];
        let line = format!("{}\n", public["openssh"].as_str().unwrap());
        let read = Output::of(Command::new("ssh-keygen").args(["-l", "-f", "-"]), &line);
        read.demand_success("ssh-keygen");
        let told: Vec<&str> = read.stdout.split_whitespace().collect();
        assert_eq!((told[1], told[2]), (public["fingerprint"].as_str().unwrap(), algorithm));
    }
}

#[test]
fn a_key_pairs_life_from_a_shell() {
    let claviger = claviger();
    let service_key = claviger.init().service_key;
    let server = claviger.serve();
    let shell = Shell::new(&claviger, &server, &service_key);
    let pair = id(&shell.json(&["key-pairs", "create", "--name", "Deploy"]));
    let shown = shell.run(&["key-pairs", "show", &pair]).stdout;
    assert!(shown.contains("ssh-ed25519 ") && shown.contains("SHA256:"), "{shown}");
    shell.json(&["key-pairs", "update", &pair, "--name", "Deploys"]);
    shell.json(&["key-pairs", "grant-everyone", &pair, "--level", "read"]);
    let team = id(&shell.json(&["groups", "create", "--name", "Team"]));
    shell.json(&["key-pairs", "grant-group", &pair, &team, "--level", "write"]);
    let acl = shell.run(&["key-pairs", "acl", &pair]).stdout;
    assert!(acl.contains("everyone") && acl.contains("Team") && acl.contains("admin"), "{acl}");
    let candidates = shell.run(&["key-pairs", "candidates", &pair, "--q", "team"]).stdout;
    assert!(candidates.contains(&team) && candidates.contains("write"), "{candidates}");
    shell.run(&["key-pairs", "revoke-group", &pair, &team]).demand_success("revoke");
    let admin = shell.json(&["key-pairs", "acl", &pair])["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(shell.refused(&["key-pairs", "revoke-member", &pair, &admin])["code"], "last_admin");
    let beside = shell.json(&["key-pairs", "replace", &pair, "--reason", "it is old"]);
    assert_eq!((&beside["name"], &beside["replaces"]), (&"Deploys (2)".into(), &pair.as_str().into()));
    let listed = shell.run(&["key-pairs", "list"]).stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains("SHA256:") && listed.contains("ed25519"), "{listed}");
    shell.run(&["key-pairs", "delete", &pair]).demand_success("delete");
    assert_eq!(shell.refused(&["key-pairs", "show", &pair])["code"], "not_found");
}
