//! What tests begin with, made through the API itself by the owner.

use serde_json::{Value, json};

use crate::world::World;

impl World {
    async fn made(&self, path: &str, body: Value) -> String {
        let made = self.post(path, &body).expect(201).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn organization(&self, name: &str) -> String {
        self.made("/v1/organizations", json!({"name": name})).await
    }

    pub(crate) async fn group(&self, organization_id: &str, name: &str) -> String {
        self.made("/v1/groups", json!({"name": name, "organization_id": organization_id})).await
    }

    /// The Group `default` of an Organization.
    pub(crate) async fn default_group(&self, organization_id: &str) -> String {
        let found = self.get(&format!("/v1/groups?organization_id={organization_id}")).expect(200).await;
        let groups = found["items"].as_array().expect("Groups").clone();
        let default = groups.iter().find(|group| group["name"] == "default").expect("the Group `default`");
        default["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn application(&self, name: &str, group_id: &str) -> String {
        self.made("/v1/applications", json!({"name": name, "group_id": group_id})).await
    }

    pub(crate) async fn template(&self, name: &str, organization_id: &str, policy: &Value) -> String {
        let mut body = json!({"name": name, "organization_id": organization_id});
        for (member, value) in policy.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        self.made("/v1/policy-templates", body).await
    }

    /// An exposed API with the auth type `api_key`.
    pub(crate) async fn api(&self, slug: &str, group_id: &str, template_id: &str) -> String {
        let body = json!({
            "slug": slug, "name": slug, "group_id": group_id, "upstreams": ["http://127.0.0.1:9000"],
            "auth_types": ["api_key"], "requires": "key", "policy_template_id": template_id, "exposed": true,
        });
        self.made("/v1/apis", body).await
    }

    pub(crate) async fn subscribe(&self, application_id: &str, api_id: &str) -> Value {
        let body = json!({"application_id": application_id, "api_id": api_id, "environment_id": "sandbox"});
        self.post("/v1/subscriptions", &body).expect(201).await
    }

    pub(crate) async fn permission_group(
        &self,
        name: &str,
        organization_id: &str,
        permissions: &[&str],
    ) -> String {
        let body = json!({"name": name, "organization_id": organization_id, "permissions": permissions});
        self.made("/v1/permission-groups", body).await
    }

    /// A service key of an Organization, limited to it, with just these permissions: id and value.
    pub(crate) async fn service_key(
        &self,
        name: &str,
        organization_id: &str,
        permissions: &[&str],
    ) -> (String, String) {
        let group = self.permission_group(name, organization_id, permissions).await;
        let scope = json!({"organization_id": organization_id});
        self.service_key_in(name, &group, &scope).await
    }

    pub(crate) async fn service_key_in(&self, name: &str, group_id: &str, scope: &Value) -> (String, String) {
        let body = json!({"name": name, "permission_group_ids": [group_id], "scope": scope});
        let made = self.post("/v1/service-keys", &body).expect(201).await;
        let text = |member: &str| made[member].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }
}
