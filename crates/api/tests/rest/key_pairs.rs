//! One call of each route of key pairs that goes through, and what only HTTP shows of them.

use serde_json::{Value, json};

use crate::routes::{Ready, Stage, id_of};
use crate::world::World;

impl Stage<'_> {
    /// The path of a new pair that signs tokens.
    pub(crate) async fn key_pair(&self) -> String {
        let body =
            json!({"name": self.fresh(), "uses": ["git", "jwt"], "organization_id": self.organization});
        format!("/v1/key-pairs/{}", id_of(&self.world.post("/v1/key-pairs", &body).expect(201).await))
    }

    pub(crate) async fn key_pairs(&self, name: &str) -> Option<Ready> {
        if !name.contains(" /v1/key-pairs") {
            return None;
        }
        Some(match name {
            "GET /v1/key-pairs" => Ready::new("/v1/key-pairs", 200),
            "POST /v1/key-pairs" => Ready::new("/v1/key-pairs", 201)
                .with(json!({"name": self.fresh(), "organization_id": self.organization}))
                .also(&["organizations:read"]),
            "GET /v1/key-pairs/{id}" => Ready::new(self.key_pair().await, 200),
            "PATCH /v1/key-pairs/{id}" => {
                Ready::new(self.key_pair().await, 200).with(json!({"name": self.fresh(), "public": true}))
            }
            "DELETE /v1/key-pairs/{id}" => Ready::new(self.key_pair().await, 204),
            "GET /v1/key-pairs/{id}/attachments" => {
                Ready::new(format!("{}/attachments", self.key_pair().await), 200)
            }
            "POST /v1/key-pairs/{id}/replace" => {
                Ready::new(format!("{}/replace", self.key_pair().await), 201)
            }
            "POST /v1/key-pairs/{id}/sign-jwt" => {
                Ready::new(format!("{}/sign-jwt", self.key_pair().await), 200)
                    .with(json!({"claims": {"sub": "shop"}}))
            }
            _ => return self.key_pair_acl(name).await,
        })
    }

    async fn key_pair_acl(&self, name: &str) -> Option<Ready> {
        let (method, route) = name.split_once(" /v1/key-pairs/{id}/acl")?;
        let acl = format!("{}/acl", self.key_pair().await);
        let grantee = match route {
            "" => return Some(Ready::new(acl, 200)),
            "/candidates" => return Some(Ready::new(format!("{acl}/candidates?q=a"), 200)),
            "/everyone" => format!("{acl}/everyone"),
            "/group/{group_id}" => format!("{acl}/group/{}", self.group),
            "/member/{member_id}" => format!("{acl}/member/{}", self.member().await),
            _ => return None,
        };
        let level = json!({"level": "read"});
        match method {
            "PUT" => Some(Ready::new(grantee, 200).with(level)),
            "DELETE" => {
                self.world.call("PUT", &grantee).by(&self.world.owner).json(&level).expect(200).await;
                Some(Ready::new(grantee, 204))
            }
            _ => None,
        }
    }
}

async fn made(world: &World, body: Value) -> Value {
    world.post("/v1/key-pairs", &body).expect(201).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_pair_shows_its_public_half_and_nothing_else() {
    let world = World::on_sqlite().await;
    let created = world.post("/v1/key-pairs", &json!({"name": "Deploy"})).send().await;
    let pair = created.json();
    assert_eq!(
        (created.status, &pair["algorithm"], &pair["uses"]),
        (201, &json!("ed25519"), &json!(["git"]))
    );
    let path = format!("/v1/key-pairs/{}", id_of(&pair));
    assert_eq!(created.header("location"), Some(path.as_str()));
    let public = &pair["public_key"];
    assert!(
        public["openssh"]
            .as_str()
            .is_some_and(|line| line.starts_with("ssh-ed25519 ") && line.ends_with(" Deploy"))
    );
    assert!(public["pem"].as_str().is_some_and(|pem| pem.starts_with("-----BEGIN PUBLIC KEY-----\n")));
    assert!(public["fingerprint"].as_str().is_some_and(|text| text.starts_with("SHA256:")));
    assert_eq!((&public["jwk"]["kty"], &public["jwk"]["kid"]), (&json!("OKP"), &pair["id"]));
    let read = world.get(&path).send().await;
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(read.json()["public_key"], *public);
    for text in [created.text(), read.text(), world.get("/v1/key-pairs").send().await.text()] {
        assert!(!text.contains("PRIVATE") && !text.contains("\"d\""), "{text}");
    }
    let stale = world.patch(&path, &json!({"name": "Deploys"})).header("if-match", "\"other\"").send().await;
    assert_eq!(stale.status, 412, "{stale}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_check_tokens_are_read_without_a_key_and_seen_at_once() {
    let world = World::on_sqlite().await;
    let keys = async || {
        let answer = world.call("GET", "/.well-known/jwks.json").by_nobody().send().await;
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let keys = answer.json()["keys"].as_array().expect("keys").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect::<Vec<_>>()
    };
    assert!(keys().await.is_empty());
    let public = made(&world, json!({"name": "Tokens", "uses": ["jwt"], "public": true})).await;
    made(&world, json!({"name": "Inner tokens", "uses": ["jwt"]})).await;
    made(&world, json!({"name": "Git"})).await;
    let refused = world.post("/v1/key-pairs", &json!({"name": "Open Git", "public": true})).send().await;
    assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].clone()), (422, json!("/public")));
    assert_eq!(keys().await, [id_of(&public)]);
    let path = format!("/v1/key-pairs/{}", id_of(&public));
    let beside = world.act(&format!("{path}/replace")).expect(201).await;
    assert_eq!(keys().await, [id_of(&public), id_of(&beside)], "both, until told otherwise");
    world.patch(&path, &json!({"public": false})).expect(200).await;
    assert_eq!(keys().await, [id_of(&beside)]);
    world.delete(&format!("/v1/key-pairs/{}", id_of(&beside))).expect(204).await;
    assert!(keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_stored_and_what_can_not_be_signed_is_named() {
    let world = World::on_sqlite().await;
    let pair = made(&world, json!({"name": "Tokens", "uses": ["jwt"]})).await;
    let path = format!("/v1/key-pairs/{}/sign-jwt", id_of(&pair));
    let sign = |body: Value| world.post(&path, &body);
    let before = world.position().await;
    let signed = sign(json!({"claims": {"sub": "shop"}})).header("idempotency-key", "k").send().await;
    assert_eq!((signed.status, signed.header("cache-control")), (200, Some("no-store")));
    assert_eq!(signed.json()["jwt"].as_str().map(|jwt| jwt.split('.').count()), Some(3));
    assert_eq!(world.position().await, before, "a signature is in the keeper's journal, and not in the log");
    for (body, pointer) in [
        (json!({}), "/claims"),
        (json!({"claims": []}), "/claims"),
        (json!({"claims": {"exp": 1}}), "/claims/exp"),
        (json!({"claims": {}, "ttl": "P2D"}), "/ttl"),
        (json!({"claims": {}, "ttl": "soon"}), "/ttl"),
        (json!({"claims": {"note": "x".repeat(9_000)}}), "/claims"),
    ] {
        let refused = sign(body).send().await;
        assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].clone()), (422, json!(pointer)));
    }
    let git = made(&world, json!({"name": "Git"})).await;
    let other = format!("/v1/key-pairs/{}/sign-jwt", id_of(&git));
    let refused = world.post(&other, &json!({"claims": {}})).send().await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "not_for_this_use"), "{refused}");
}
