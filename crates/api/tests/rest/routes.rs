//! Every route of the OpenAPI document, with one call of it that goes through. A new route without a line
//! here fails the suites that go over all of them.

use std::cell::Cell;

use claviger_domain::event::{ActorRef, EventBody, NewEvent};
use claviger_domain::git::HostKey;
use claviger_domain::git_integrations::IntegrationOf;
use claviger_domain::id::{EventId, JobId, NodeId};
use claviger_domain::jobs::{Job, JobKind};
use claviger_domain::scope::Place;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::world::World;

/// One operation of the document.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) permission: Option<String>,
    pub(crate) operation: Value,
}

/// All operations under `/v1` of those who have a service key. Those of the portal's visitors and of data nodes that
/// enrol have tests of their own.
pub(crate) fn all() -> Vec<Route> {
    let document = claviger_api::document();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if path.starts_with("/v1/") && !path.starts_with("/v1/portal") && path != "/v1/nodes/join" {
                routes.push(Route {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    permission: operation["x-permission"].as_str().map(str::to_owned),
                    operation: operation.clone(),
                });
            }
        }
    }
    // There is one node, and a node that was removed stays so.
    routes.sort_by_key(|route| route.name() == "DELETE /v1/nodes/{id}");
    assert!(routes.len() > 60, "the document has lost routes: {}", routes.len());
    routes
}

impl Route {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The collection, as permissions spell it.
    pub(crate) fn collection(&self) -> String {
        self.path.split('/').nth(2).unwrap_or_default().replace('-', "_")
    }

    pub(crate) fn is_list(&self) -> bool {
        self.operation.get("x-sorts").is_some()
    }

    pub(crate) fn query_parameters(&self) -> Vec<String> {
        let parameters = self.operation["parameters"].as_array().into_iter().flatten();
        let in_query = parameters.filter(|parameter| parameter["in"] == "query");
        in_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    }
}

/// A call that goes through, if the caller may make it.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    pub(crate) status: u16,
    /// What the caller needs besides the route's own permission and the right to see the thing.
    pub(crate) also: &'static [&'static str],
}

impl Ready {
    pub(crate) fn new(path: impl Into<String>, status: u16) -> Self {
        Self { path: path.into(), body: None, status, also: &[] }
    }

    pub(crate) fn with(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    pub(crate) fn call<'w>(&self, world: &'w World, route: &Route) -> Call<'w> {
        let call = world.call(&route.method, &self.path);
        match &self.body {
            Some(body) => call.json(body),
            None => call,
        }
    }

    pub(crate) async fn send_by(&self, world: &World, route: &Route, key: &str) -> Answer {
        self.call(world, route).by(key).send().await
    }
}

/// What an Organization has for its routes to work on.
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World,
    pub(crate) organization: String,
    pub(crate) group: String,
    /// A template that shows credentials again.
    pub(crate) template: String,
    /// A template that asks for approval.
    approval: String,
    api: String,
    prefix: &'static str,
    count: Cell<u32>,
}

impl<'w> Stage<'w> {
    pub(crate) async fn set(world: &'w World, organization: &str, prefix: &'static str) -> Self {
        let group = world.default_group(organization).await;
        let retrievable =
            json!({"retrievable": true, "rotates_every": "P30D", "rotation_lead": "P7D", "overlap": "P3D"});
        let template = world.template("Retrievable", organization, &retrievable).await;
        let approval = world.template("Approval", organization, &json!({"approval": "required"})).await;
        let api = world.api(&format!("{prefix}-orders"), &group, &template).await;
        Self {
            world,
            organization: organization.to_owned(),
            group,
            template,
            approval,
            api,
            prefix,
            count: Cell::new(0),
        }
    }

    /// A name that was not used before.
    pub(crate) fn fresh(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("{}-{}", self.prefix, self.count.get())
    }

    pub(crate) async fn application(&self) -> String {
        self.world.application(&self.fresh(), &self.group).await
    }

    pub(crate) async fn subscription(&self) -> Value {
        let application = self.application().await;
        self.world.subscribe(&application, &self.api).await
    }

    async fn pending_subscription(&self) -> String {
        let api = self.world.api(&self.fresh(), &self.group, &self.approval).await;
        let application = self.application().await;
        id_of(&self.world.subscribe(&application, &api).await)
    }

    pub(crate) async fn key_set(&self) -> String {
        id_of(&self.subscription().await["key_sets"][0])
    }

    pub(crate) async fn after(&self, path: &str) {
        self.world.act(path).expect(200).await;
    }

    pub(crate) async fn member(&self) -> String {
        let email = format!("{}@example.com", self.fresh());
        let body = json!({"name": self.fresh(), "email": email, "organization_id": self.organization});
        id_of(&self.world.post("/v1/members", &body).expect(201).await)
    }

    async fn weak_group(&self) -> String {
        self.world.permission_group(&self.fresh(), &self.organization, &["groups:read"]).await
    }

    async fn service_key(&self) -> String {
        let group = self.weak_group().await;
        let scope = json!({"organization_id": self.organization});
        self.world.service_key_in(&self.fresh(), &group, &scope).await.0
    }

    /// Makes what the route works on, and the call.
    pub(crate) async fn ready(&self, route: &Route) -> Option<Ready> {
        let name = route.name();
        if let Some(ready) = self.people(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.access(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.catalog(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.shared_keys(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.key_pairs(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.subscriptions(&name).await {
            return Some(ready);
        }
        if let Some(ready) = self.key_sets(&name).await {
            return Some(ready);
        }
        self.rest(&name).await
    }

    async fn people(&self, name: &str) -> Option<Ready> {
        let organization = &self.organization;
        let named = json!({"name": self.fresh()});
        let in_organization = json!({"name": self.fresh(), "organization_id": organization});
        Some(match name {
            "GET /v1/organizations" => Ready::new("/v1/organizations", 200),
            "POST /v1/organizations" => Ready::new("/v1/organizations", 201).with(named),
            "POST /v1/organizations/bulk" => {
                Ready::new("/v1/organizations/bulk", 201).with(json!({"items": [named]}))
            }
            "GET /v1/organizations/{id}" => Ready::new(format!("/v1/organizations/{organization}"), 200),
            "PATCH /v1/organizations/{id}" => {
                Ready::new(format!("/v1/organizations/{organization}"), 200).with(named)
            }
            "DELETE /v1/organizations/{id}" => {
                Ready::new(format!("/v1/organizations/{}", self.world.organization(&self.fresh()).await), 204)
            }
            "GET /v1/groups" => Ready::new("/v1/groups", 200),
            "POST /v1/groups" => {
                Ready::new("/v1/groups", 201).with(in_organization).also(&["organizations:read"])
            }
            "POST /v1/groups/bulk" => Ready::new("/v1/groups/bulk", 201)
                .with(json!({"items": [in_organization]}))
                .also(&["organizations:read"]),
            "GET /v1/groups/{id}" => Ready::new(format!("/v1/groups/{}", self.group), 200),
            "PATCH /v1/groups/{id}" => {
                let group = self.world.group(organization, &self.fresh()).await;
                Ready::new(format!("/v1/groups/{group}"), 200).with(named)
            }
            "DELETE /v1/groups/{id}" => {
                let group = self.world.group(organization, &self.fresh()).await;
                Ready::new(format!("/v1/groups/{group}"), 204)
            }
            _ => return self.members(name).await,
        })
    }

    async fn members(&self, name: &str) -> Option<Ready> {
        let new = json!({
            "name": self.fresh(), "email": format!("{}@example.com", self.fresh()),
            "organization_id": self.organization,
        });
        Some(match name {
            "GET /v1/members" => Ready::new("/v1/members", 200),
            "POST /v1/members" => Ready::new("/v1/members", 201).with(new).also(&["organizations:read"]),
            "POST /v1/members/bulk" => Ready::new("/v1/members/bulk", 201)
                .with(json!({"items": [new]}))
                .also(&["organizations:read"]),
            "GET /v1/members/{id}" => Ready::new(format!("/v1/members/{}", self.member().await), 200),
            "PATCH /v1/members/{id}" => Ready::new(format!("/v1/members/{}", self.member().await), 200)
                .with(json!({"name": self.fresh()})),
            "DELETE /v1/members/{id}" => Ready::new(format!("/v1/members/{}", self.member().await), 204),
            "POST /v1/members/{id}/role-grants" => {
                Ready::new(format!("/v1/members/{}/role-grants", self.member().await), 201)
                    .with(json!({
                        "permission_group_id": self.weak_group().await,
                        "scope": {"organization_id": self.organization},
                    }))
                    .also(&["members:read", "groups:read", "permission_groups:read", "organizations:read"])
            }
            "DELETE /v1/members/{id}/role-grants/{role_grant_id}" => {
                let member = self.member().await;
                let body = json!({
                    "permission_group_id": self.weak_group().await,
                    "scope": {"organization_id": self.organization},
                });
                let granted =
                    self.world.post(&format!("/v1/members/{member}/role-grants"), &body).expect(201).await;
                Ready::new(format!("/v1/members/{member}/role-grants/{}", id_of(&granted)), 204)
                    .also(&["members:read", "groups:read"])
            }
            _ => return None,
        })
    }

    async fn access(&self, name: &str) -> Option<Ready> {
        let new_group = json!({"name": self.fresh(), "permissions": ["groups:read"], "organization_id": self.organization});
        let group_also: &[&str] = &["groups:read", "organizations:read"];
        Some(match name {
            "GET /v1/permissions" => Ready::new("/v1/permissions", 200),
            "GET /v1/permission-groups" => Ready::new("/v1/permission-groups", 200),
            "POST /v1/permission-groups" => {
                Ready::new("/v1/permission-groups", 201).with(new_group).also(group_also)
            }
            "POST /v1/permission-groups/bulk" => Ready::new("/v1/permission-groups/bulk", 201)
                .with(json!({"items": [new_group]}))
                .also(group_also),
            "GET /v1/permission-groups/{id}" => {
                Ready::new(format!("/v1/permission-groups/{}", self.weak_group().await), 200)
            }
            "PATCH /v1/permission-groups/{id}" => {
                Ready::new(format!("/v1/permission-groups/{}", self.weak_group().await), 200)
                    .with(json!({"permissions": ["groups:read"]}))
                    .also(group_also)
            }
            "DELETE /v1/permission-groups/{id}" => {
                Ready::new(format!("/v1/permission-groups/{}", self.weak_group().await), 204)
            }
            _ => return self.service_keys(name).await,
        })
    }

    async fn service_keys(&self, name: &str) -> Option<Ready> {
        let also: &[&str] = &["groups:read", "permission_groups:read", "organizations:read"];
        Some(match name {
            "GET /v1/service-keys" => Ready::new("/v1/service-keys", 200),
            "GET /v1/service-keys/current" => Ready::new("/v1/service-keys/current", 200),
            "POST /v1/service-keys" => {
                Ready::new("/v1/service-keys", 201).with(self.new_service_key().await).also(also)
            }
            "POST /v1/service-keys/bulk" => Ready::new("/v1/service-keys/bulk", 201)
                .with(json!({"items": [self.new_service_key().await]}))
                .also(also),
            "GET /v1/service-keys/{id}" => {
                Ready::new(format!("/v1/service-keys/{}", self.service_key().await), 200)
            }
            "PATCH /v1/service-keys/{id}" => {
                Ready::new(format!("/v1/service-keys/{}", self.service_key().await), 200)
                    .with(json!({"name": self.fresh()}))
            }
            "DELETE /v1/service-keys/{id}" => {
                Ready::new(format!("/v1/service-keys/{}", self.service_key().await), 204)
            }
            "POST /v1/service-keys/{id}/activate" => {
                let key = self.service_key().await;
                self.after(&format!("/v1/service-keys/{key}/deactivate")).await;
                Ready::new(format!("/v1/service-keys/{key}/activate"), 200).also(also)
            }
            "POST /v1/service-keys/{id}/deactivate" => {
                Ready::new(format!("/v1/service-keys/{}/deactivate", self.service_key().await), 200)
            }
            "POST /v1/service-keys/{id}/replace" => {
                Ready::new(format!("/v1/service-keys/{}/replace", self.service_key().await), 200).also(also)
            }
            "PUT /v1/service-keys/{id}/permission-groups" => {
                Ready::new(format!("/v1/service-keys/{}/permission-groups", self.service_key().await), 200)
                    .with(json!({"permission_group_ids": [self.weak_group().await]}))
                    .also(also)
            }
            _ => return None,
        })
    }

    async fn new_service_key(&self) -> Value {
        json!({
            "name": self.fresh(), "permission_group_ids": [self.weak_group().await],
            "scope": {"organization_id": self.organization},
        })
    }

    async fn catalog(&self, name: &str) -> Option<Ready> {
        let slug = self.fresh();
        let new = json!({
            "slug": slug, "name": slug, "group_id": self.group, "upstreams": ["http://127.0.0.1:9000"],
            "auth_types": ["api_key"], "requires": "key", "policy_template_id": self.template,
        });
        let also: &[&str] = &["groups:read", "policy_templates:read", "environments:read"];
        Some(match name {
            "GET /v1/apis" => Ready::new("/v1/apis", 200),
            "POST /v1/apis" => Ready::new("/v1/apis", 201).with(new).also(also),
            "POST /v1/apis/bulk" => Ready::new("/v1/apis/bulk", 201).with(json!({"items": [new]})).also(also),
            "GET /v1/apis/{id}" => Ready::new(format!("/v1/apis/{}", self.api), 200),
            "PATCH /v1/apis/{id}" => {
                Ready::new(format!("/v1/apis/{}", self.api), 200).with(json!({"description": self.fresh()}))
            }
            "DELETE /v1/apis/{id}" => {
                let api = self.world.api(&slug, &self.group, &self.template).await;
                Ready::new(format!("/v1/apis/{api}"), 204)
            }
            "PUT /v1/apis/{id}/openapi" => {
                Ready::new(format!("/v1/apis/{}/openapi", self.api), 200).with(document(&self.fresh()))
            }
            "GET /v1/apis/{id}/openapi"
            | "GET /v1/apis/{id}/openapi/versions"
            | "GET /v1/apis/{id}/openapi/operations" => {
                let path = format!("/v1/apis/{}/openapi", self.api);
                let put = self.world.call("PUT", &path).by(&self.world.owner).json(&document("Orders"));
                put.expect(200).await;
                Ready::new(name.replace("{id}", &self.api).trim_start_matches("GET "), 200)
            }
            "PUT /v1/apis/{id}/exposure" => {
                let api = self.world.api(&slug, &self.group, &self.template).await;
                Ready::new(format!("/v1/apis/{api}/exposure"), 200).with(json!({"exposed": false}))
            }
            _ => return self.git_integrations(name).await,
        })
    }

    async fn git_integrations(&self, name: &str) -> Option<Ready> {
        if !name.contains("/git-integration") {
            return self.templates_and_environments(name).await;
        }
        let pair = json!({"name": self.fresh(), "organization_id": self.organization});
        let pair = id_of(&self.world.post("/v1/key-pairs", &pair).expect(201).await);
        let api = self.world.api(&self.fresh(), &self.group, &self.template).await;
        let path = format!("/v1/apis/{api}/git-integration");
        let put = json!({
            "address": "git@git.example:orders.git", "branch": "main", "path": "openapi.yaml", "key_pair_id": pair,
        });
        if name != "PUT /v1/apis/{id}/git-integration" {
            self.world.call("PUT", &path).by(&self.world.owner).json(&put).expect(200).await;
        }
        let also: &[&str] = &["git_integrations:read", "key_pairs:read"];
        Some(match name {
            "GET /v1/apis/{id}/git-integration" => Ready::new(path, 200),
            "PUT /v1/apis/{id}/git-integration" => Ready::new(path, 200).with(put).also(also),
            "DELETE /v1/apis/{id}/git-integration" => Ready::new(path, 204).also(also),
            "POST /v1/apis/{id}/git-integration/test" => {
                Ready::new(format!("{path}/test"), 200).with(put).also(also)
            }
            "POST /v1/apis/{id}/git-integration/pull" => Ready::new(format!("{path}/pull"), 202).also(also),
            "POST /v1/apis/{id}/git-integration/push" => Ready::new(format!("{path}/push"), 202).also(also),
            "DELETE /v1/apis/{id}/git-integration/host-key" => {
                self.pin_host_key(&api).await;
                Ready::new(format!("{path}/host-key"), 204).also(also)
            }
            _ => return None,
        })
    }

    /// As a pull does that meets the host.
    async fn pin_host_key(&self, api: &str) {
        let host_key: HostKey =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
                .parse()
                .expect("a key");
        let now = self.world.service.now();
        let event = &NewEvent {
            id: EventId::fresh(now, [u8::try_from(self.count.get() % 256).expect("small"); 10]),
            at: now,
            actor: ActorRef::system("test"),
            source: None,
            reason: None,
            place: Place::group(
                self.organization.parse().expect("an id"),
                self.group.parse().expect("an id"),
            ),
            counterpart: None,
            body: EventBody::GitIntegrationHostKeyPinned {
                api_id: IntegrationOf(api.parse().expect("an id")),
                fingerprint: host_key.fingerprint(),
                host_key,
            },
            private: None,
        };
        let store = self.world.service.store();
        let pinned = store.commit("test", |tx| Box::pin(async move { tx.append(event.clone()).await }));
        pinned.await.expect("pinned");
        self.world.service.follow().await.expect("followed");
    }

    async fn templates_and_environments(&self, name: &str) -> Option<Ready> {
        let template = json!({"name": self.fresh(), "organization_id": self.organization});
        let slug = self.fresh();
        let environment = json!({"slug": slug, "name": slug});
        let made = || async { id_of(&self.world.post("/v1/environments", &environment).expect(201).await) };
        let also: &[&str] = &["organizations:read"];
        Some(match name {
            "GET /v1/policy-templates" => Ready::new("/v1/policy-templates", 200),
            "POST /v1/policy-templates" => Ready::new("/v1/policy-templates", 201).with(template).also(also),
            "POST /v1/policy-templates/bulk" => {
                Ready::new("/v1/policy-templates/bulk", 201).with(json!({"items": [template]})).also(also)
            }
            "GET /v1/policy-templates/{id}" => {
                Ready::new(format!("/v1/policy-templates/{}", self.template), 200)
            }
            "PATCH /v1/policy-templates/{id}" => {
                let own = self.world.template(&self.fresh(), &self.organization, &json!({})).await;
                Ready::new(format!("/v1/policy-templates/{own}"), 200).with(json!({"expires_after": "P2Y"}))
            }
            "DELETE /v1/policy-templates/{id}" => {
                let own = self.world.template(&self.fresh(), &self.organization, &json!({})).await;
                Ready::new(format!("/v1/policy-templates/{own}"), 204)
            }
            "GET /v1/environments" => Ready::new("/v1/environments", 200),
            "POST /v1/environments" => Ready::new("/v1/environments", 201).with(environment),
            "POST /v1/environments/bulk" => {
                Ready::new("/v1/environments/bulk", 201).with(json!({"items": [environment]}))
            }
            "GET /v1/environments/{id}" => Ready::new("/v1/environments/sandbox", 200),
            "PATCH /v1/environments/{id}" => {
                Ready::new("/v1/environments/sandbox", 200).with(json!({"name": self.fresh()}))
            }
            "DELETE /v1/environments/{id}" => Ready::new(format!("/v1/environments/{}", made().await), 204),
            _ => return None,
        })
    }

    async fn subscriptions(&self, name: &str) -> Option<Ready> {
        let also: &[&str] = &["applications:read", "apis:read", "environments:read"];
        Some(match name {
            "GET /v1/subscriptions" => Ready::new("/v1/subscriptions", 200),
            "POST /v1/subscriptions" => {
                Ready::new("/v1/subscriptions", 201).with(self.new_subscription().await).also(also)
            }
            "POST /v1/subscriptions/bulk" => Ready::new("/v1/subscriptions/bulk", 201)
                .with(json!({"items": [self.new_subscription().await]}))
                .also(also),
            "GET /v1/subscriptions/{id}" => {
                Ready::new(format!("/v1/subscriptions/{}", id_of(&self.subscription().await)), 200)
            }
            "PATCH /v1/subscriptions/{id}" => {
                Ready::new(format!("/v1/subscriptions/{}", id_of(&self.subscription().await)), 200)
                    .with(json!({"permissions": []}))
            }
            "POST /v1/subscriptions/{id}/accept" => {
                Ready::new(format!("/v1/subscriptions/{}/accept", self.pending_subscription().await), 200)
            }
            "POST /v1/subscriptions/{id}/reject" => {
                Ready::new(format!("/v1/subscriptions/{}/reject", self.pending_subscription().await), 200)
            }
            "POST /v1/subscriptions/{id}/end" => {
                Ready::new(format!("/v1/subscriptions/{}/end", id_of(&self.subscription().await)), 200)
            }
            "POST /v1/subscriptions/{id}/renew" => {
                let subscription = self.subscription().await;
                self.after(&format!("/v1/key-sets/{}/revoke", id_of(&subscription["key_sets"][0]))).await;
                Ready::new(format!("/v1/subscriptions/{}/renew", id_of(&subscription)), 200)
            }
            _ => return self.applications(name).await,
        })
    }

    async fn new_subscription(&self) -> Value {
        json!({
            "application_id": self.application().await, "api_id": self.api, "environment_id": "sandbox",
        })
    }

    async fn applications(&self, name: &str) -> Option<Ready> {
        let new = json!({"name": self.fresh(), "group_id": self.group});
        let also: &[&str] = &["groups:read"];
        Some(match name {
            "GET /v1/applications" => Ready::new("/v1/applications", 200),
            "POST /v1/applications" => Ready::new("/v1/applications", 201).with(new).also(also),
            "POST /v1/applications/bulk" => {
                Ready::new("/v1/applications/bulk", 201).with(json!({"items": [new]})).also(also)
            }
            "GET /v1/applications/{id}" => {
                Ready::new(format!("/v1/applications/{}", self.application().await), 200)
            }
            "PATCH /v1/applications/{id}" => {
                Ready::new(format!("/v1/applications/{}", self.application().await), 200)
                    .with(json!({"name": self.fresh()}))
            }
            "DELETE /v1/applications/{id}" => {
                Ready::new(format!("/v1/applications/{}", self.application().await), 204)
            }
            "POST /v1/applications/{id}/suspend" => {
                Ready::new(format!("/v1/applications/{}/suspend", self.application().await), 200)
            }
            "POST /v1/applications/{id}/activate" => {
                let application = self.application().await;
                self.after(&format!("/v1/applications/{application}/suspend")).await;
                Ready::new(format!("/v1/applications/{application}/activate"), 200)
            }
            "GET /v1/usage" => Ready::new("/v1/usage?step=day&by=api", 200),
            "GET /v1/apis/{id}/usage" => {
                Ready::new(format!("/v1/apis/{}/usage?by=code", self.api), 200).also(&["usage:read"])
            }
            "GET /v1/apis/{id}/calls" => Ready::new(format!("/v1/apis/{}/calls", self.api), 200),
            "GET /v1/applications/{id}/impact" => {
                Ready::new(format!("/v1/applications/{}/impact?act=suspend", self.application().await), 200)
            }
            _ => return None,
        })
    }

    async fn key_sets(&self, name: &str) -> Option<Ready> {
        if name == "GET /v1/key-sets" {
            return Some(Ready::new("/v1/key-sets", 200));
        }
        if !name.contains(" /v1/key-sets/") {
            return None;
        }
        let set = self.key_set().await;
        let act = |act: &str| Ready::new(format!("/v1/key-sets/{set}/{act}"), 200);
        Some(match name {
            "POST /v1/key-sets/bulk" => Ready::new("/v1/key-sets/bulk", 200)
                .with(json!({"act": "suspend", "ids": [set]}))
                .also(&["key_sets:read", "key_sets:suspend"]),
            "GET /v1/key-sets/{id}" => Ready::new(format!("/v1/key-sets/{set}"), 200),
            "PATCH /v1/key-sets/{id}" => {
                Ready::new(format!("/v1/key-sets/{set}"), 200).with(json!({"name": self.fresh()}))
            }
            "POST /v1/key-sets/{id}/suspend" => act("suspend"),
            "POST /v1/key-sets/{id}/activate" => {
                self.after(&format!("/v1/key-sets/{set}/suspend")).await;
                act("activate")
            }
            "POST /v1/key-sets/{id}/regenerate" => act("regenerate"),
            "POST /v1/key-sets/{id}/revoke" => act("revoke"),
            "POST /v1/key-sets/{id}/issue" => {
                self.after(&format!("/v1/key-sets/{set}/revoke")).await;
                act("issue")
            }
            "POST /v1/key-sets/{id}/retrieve" => act("retrieve"),
            "PUT /v1/key-sets/{id}/policy" => act("policy")
                .with(json!({"policy_template_id": self.template}))
                .also(&["policy_templates:read"]),
            "GET /v1/key-sets/{id}/timeline" => act("timeline"),
            "GET /v1/key-sets/{id}/authorized-apis" => act("authorized-apis").also(&["apis:read"]),
            "GET /v1/key-sets/{id}/impact" => act("impact?act=revoke"),
            "POST /v1/key-sets/{id}/keys/{key_id}/revoke" => {
                let before = self.world.get(&format!("/v1/key-sets/{set}")).expect(200).await;
                self.after(&format!("/v1/key-sets/{set}/regenerate")).await;
                act(&format!("keys/{}/revoke", id_of(&before["keys"][0])))
            }
            _ => return None,
        })
    }

    async fn rest(&self, name: &str) -> Option<Ready> {
        Some(match name {
            "GET /v1/events" => Ready::new(format!("/v1/events?subject_id={}", self.group), 200),
            "GET /v1/events/proof" => Ready::new("/v1/events/proof", 200),
            "GET /v1/events/{id}" => {
                let path = format!("/v1/events?subject_id={}", self.group);
                let found = self.world.get(&path).expect(200).await;
                Ready::new(format!("/v1/events/{}", id_of(&found["items"][0])), 200)
            }
            "GET /v1/nodes" => Ready::new("/v1/nodes", 200),
            "GET /v1/nodes/{id}" => Ready::new(format!("/v1/nodes/{}", self.node().await), 200),
            "POST /v1/nodes/enroll" => {
                Ready::new("/v1/nodes/enroll", 200).with(json!({"name": self.fresh()}))
            }
            "DELETE /v1/nodes/{id}" => {
                let node = self.node().await;
                self.world.clock.advance_seconds(60);
                Ready::new(format!("/v1/nodes/{node}"), 204)
            }
            "GET /v1/jobs" => Ready::new(format!("/v1/jobs?api_id={}", self.api), 200),
            "GET /v1/jobs/{id}" => Ready::new(format!("/v1/jobs/{}", self.job().await), 200),
            "POST /v1/verify" => Ready::new("/v1/verify", 200).with(self.question().await),
            "POST /v1/verify/batch" => {
                Ready::new("/v1/verify/batch", 200).with(json!({"items": [self.question().await]}))
            }
            "POST /v1/which-key" => {
                Ready::new("/v1/which-key", 200).with(json!({"value": self.credential().await}))
            }
            _ => return None,
        })
    }

    async fn node(&self) -> String {
        self.world.service.report_node().await.expect("reported");
        id_of(&self.world.get("/v1/nodes").expect(200).await["items"][0])
    }

    /// A job that runs on the API for a minute.
    async fn job(&self) -> String {
        let now = self.world.service.now();
        let api_id = self.api.parse().expect("an id");
        let job = &Job {
            id: JobId::fresh(now, [u8::try_from(self.count.get() % 256).expect("small"); 10]),
            kind: JobKind::GitPull,
            api_id,
            organization_id: self.organization.parse().expect("an id"),
            group_id: self.group.parse().expect("an id"),
            actor: ActorRef::system("test"),
            node_id: NodeId::from_bytes([1; 16]),
            started_at: now,
            ends_by: now.plus_seconds(60),
            end: None,
        };
        let begun =
            self.world.service.store().commit("test", |tx| Box::pin(async move { tx.begin_job(job).await }));
        begun.await.expect("begun");
        job.id.to_string()
    }

    /// The value of a Key of a new Key Set.
    pub(crate) async fn credential(&self) -> String {
        let path = format!("/v1/key-sets/{}/retrieve", self.key_set().await);
        self.world.act(&path).expect(200).await["key"].as_str().expect("a key").to_owned()
    }

    async fn question(&self) -> Value {
        json!({"credential": {"key": self.credential().await}, "api": self.api})
    }

    /// One thing of each kind that a filter can name.
    pub(crate) async fn named_by_filters(&self) -> Vec<(&'static str, String)> {
        let subscription = self.subscription().await;
        let member = self.member().await;
        vec![
            ("organization_id", self.organization.clone()),
            ("group_id", self.group.clone()),
            ("api_id", self.api.clone()),
            ("api_id", format!("{}-orders", self.prefix)),
            ("application_id", id_of(&subscription["application"])),
            ("subject_id", id_of(&subscription)),
            ("subject_id", self.group.clone()),
            ("actor_id", member.clone()),
            ("member_id", member),
            ("permission_group_id", self.weak_group().await),
        ]
    }
}

/// A small OpenAPI document.
pub(crate) fn document(title: &str) -> Value {
    json!({
        "openapi": "3.1.0", "info": {"title": title, "version": "1"}, "servers": [{"url": "https://elsewhere.example"}],
        "paths": {"/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "get": {"operationId": "read", "summary": "Read <b>one</b>", "responses": {"200": {"description": "It."}}},
            "delete": {"deprecated": true, "responses": {"204": {"description": "Gone."}}},
        }},
    })
}

pub(crate) fn id_of(thing: &Value) -> String {
    thing["id"].as_str().unwrap_or_else(|| panic!("an id: {thing}")).to_owned()
}
