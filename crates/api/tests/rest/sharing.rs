//! One call of each route of shared keys that goes through.

use serde_json::{Value, json};

use crate::routes::{Ready, Stage, id_of};

impl Stage<'_> {
    /// A shared key of an API of its own: the API's id, and the key as it was made.
    pub(crate) async fn shared_key(&self, audience: &str) -> (String, Value) {
        let api = self.world.api(&self.fresh(), &self.group, &self.template).await;
        let body = json!({"name": self.fresh(), "audience": audience});
        let made = self.world.post(&format!("/v1/apis/{api}/shared-keys"), &body).expect(201).await;
        (api, made)
    }

    pub(crate) async fn shared_keys(&self, name: &str) -> Option<Ready> {
        let of_api = name.contains(" /v1/apis/{id}/shared-keys") || name.contains(" /v1/apis/{id}/impact");
        if !of_api && !name.contains(" /v1/shared-keys/") {
            return None;
        }
        let outside = name.contains("/portal-link") || name.contains("/clear-secret");
        let (api, key) = self.shared_key(if outside { "outside" } else { "inside" }).await;
        let key = format!("/v1/shared-keys/{}", id_of(&key));
        let act = |act: &str| Ready::new(format!("{key}/{act}"), 200);
        Some(match name {
            "GET /v1/apis/{id}/shared-keys" => Ready::new(format!("/v1/apis/{api}/shared-keys"), 200),
            "POST /v1/apis/{id}/shared-keys" => Ready::new(format!("/v1/apis/{api}/shared-keys"), 201)
                .with(json!({"name": self.fresh(), "audience": "outside", "environment_id": "sandbox"})),
            "GET /v1/apis/{id}/impact" => Ready::new(format!("/v1/apis/{api}/impact?requires=secret"), 200),
            "GET /v1/shared-keys/{id}" => Ready::new(key, 200),
            "PATCH /v1/shared-keys/{id}" => Ready::new(key, 200).with(json!({"name": self.fresh()})),
            "DELETE /v1/shared-keys/{id}" => Ready::new(key, 204),
            "POST /v1/shared-keys/{id}/enable" => {
                self.after(&format!("{key}/disable")).await;
                act("enable")
            }
            "POST /v1/shared-keys/{id}/disable" => act("disable"),
            "POST /v1/shared-keys/{id}/reset-secret" => act("reset-secret"),
            "POST /v1/shared-keys/{id}/clear-secret" => {
                let link = self.world.act(&format!("{key}/portal-link")).expect(200).await;
                let (_, token) = link["url"].as_str().and_then(|url| url.split_once('#')).expect("a token");
                self.world.call("POST", "/v1/portal/secret").by(token).expect(200).await;
                act("clear-secret")
            }
            "POST /v1/shared-keys/{id}/retrieve" => act("retrieve"),
            "POST /v1/shared-keys/{id}/portal-link" => act("portal-link"),
            "DELETE /v1/shared-keys/{id}/portal-link" => {
                self.after(&format!("{key}/portal-link")).await;
                Ready::new(format!("{key}/portal-link"), 204)
            }
            _ => return None,
        })
    }
}
