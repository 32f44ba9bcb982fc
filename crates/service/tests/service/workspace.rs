//! What the tests of the workspace set up again and again: a template, an API, an Application, a
//! Subscription.

use claviger_domain::key_sets::KeyStatus;
use claviger_service::Error;
use claviger_service::Written;
use claviger_wire::{acts, apis, applications, key_sets, policy_templates, subscriptions};
use serde_json::{Value, json};

use crate::world::{World, body, fresh, query};

impl World {
    /// A policy template; what is left out is as in the template `Default`.
    pub(crate) async fn template(&self, policy: Value) -> String {
        let mut typed = policy;
        typed["name"] = Value::from(self.fresh_word("Template"));
        let create: policy_templates::Create = body(typed);
        fresh(self.service.policy_template_create(&self.owner.request(), &create).await).id
    }

    /// An exposed API under a template, with these auth types.
    pub(crate) async fn api(&self, auth_types: &[&str], template_id: &str) -> apis::Api {
        self.api_with(json!({"auth_types": auth_types, "policy_template_id": template_id})).await
    }

    /// An exposed API, told apart from the usual one by `members`.
    pub(crate) async fn api_with(&self, members: Value) -> apis::Api {
        fresh(self.service.api_create(&self.owner.request(), &self.api_body(members)).await)
    }

    pub(crate) fn api_body(&self, members: Value) -> apis::Create {
        let name = self.fresh_word("api");
        let mut typed = json!({
            "slug": name.replace(' ', "-"),
            "name": name,
            "upstreams": ["http://127.0.0.1:9000"],
            "auth_types": ["api_key"],
            "requires": "none",
            "exposed": true,
        });
        for (member, value) in members.as_object().expect("an object") {
            typed[member] = value.clone();
        }
        body(typed)
    }

    pub(crate) async fn application(&self) -> applications::Application {
        let name = self.fresh_word("Application");
        let create: applications::Create = body(json!({"name": name}));
        fresh(self.service.application_create(&self.owner.request(), &create).await)
    }

    /// Subscribes in `production`.
    pub(crate) async fn subscribe(
        &self,
        application: &applications::Application,
        api: &apis::Api,
    ) -> subscriptions::Subscription {
        fresh(self.try_subscribe(application, api).await)
    }

    pub(crate) async fn try_subscribe(
        &self,
        application: &applications::Application,
        api: &apis::Api,
    ) -> Result<Written<subscriptions::Subscription>, Error> {
        let create = subscription_body(application, api);
        self.service.subscription_create(&self.owner.request(), &create).await
    }

    pub(crate) async fn key_set(&self, id: &str) -> key_sets::KeySet {
        let id = id.parse().expect("an id");
        self.service.key_set_read(&self.owner.request(), id).await.expect("a Key Set").body
    }

    /// The ids of the Key Sets that a list with these filters shows, sorted.
    pub(crate) async fn listed(&self, filters: &[(&str, &str)]) -> Vec<String> {
        let page = self.service.key_set_list(&self.owner.request(), &query("/v1/key-sets", filters)).await;
        let mut ids: Vec<_> = page.expect("a page").items.into_iter().map(|set| set.id).collect();
        ids.sort();
        ids
    }

    /// One Key Set of one Application for an API of its own, under this policy.
    pub(crate) async fn one_key_set(&self, auth_type: &str, policy: Value) -> OneKeySet {
        let template_id = self.template(policy).await;
        let api = self.api(&[auth_type], &template_id).await;
        let application = self.application().await;
        let subscription = self.subscribe(&application, &api).await;
        let id = subscription.key_sets[0].id.clone();
        OneKeySet { id, template_id, api, application, subscription }
    }

    /// Runs the scheduler now, as often as it takes.
    pub(crate) async fn run_scheduler(&self) {
        let run = self.service.scheduler_run_once().await.expect("a run");
        assert_eq!((run.elsewhere, run.failed, run.waiting_for_keeper), (false, 0, 0), "{run:?}");
    }
}

/// A Key Set and what it came from.
#[derive(Debug)]
pub(crate) struct OneKeySet {
    pub(crate) id: String,
    pub(crate) template_id: String,
    pub(crate) api: apis::Api,
    pub(crate) application: applications::Application,
    pub(crate) subscription: subscriptions::Subscription,
}

impl OneKeySet {
    pub(crate) fn key_set_id(&self) -> claviger_domain::id::KeySetId {
        self.id.parse().expect("an id")
    }

    pub(crate) fn application_id(&self) -> claviger_domain::id::ApplicationId {
        self.application.id.parse().expect("an id")
    }

    pub(crate) fn subscription_id(&self) -> claviger_domain::id::SubscriptionId {
        self.subscription.id.parse().expect("an id")
    }
}

pub(crate) fn subscription_body(
    application: &applications::Application,
    api: &apis::Api,
) -> subscriptions::Create {
    body(json!({"application_id": application.id, "api_id": api.entry.id, "environment_id": "production"}))
}

/// The body of an act that nobody gives a reason for.
pub(crate) fn no_reason() -> acts::Act {
    acts::Act::default()
}

pub(crate) fn status_of(set: &key_sets::KeySet) -> KeyStatus {
    set.status.into()
}

/// Another Organization, with its Group `default`.
#[derive(Debug)]
pub(crate) struct OtherOrganization {
    pub(crate) organization_id: String,
    pub(crate) group_id: String,
}

impl World {
    pub(crate) async fn other_organization(&self) -> OtherOrganization {
        let request = self.owner.request();
        let create = body(json!({"name": self.fresh_word("Partner"), "kind": "external"}));
        let organization_id = fresh(self.service.organization_create(&request, &create).await).id;
        let filters = [("organization_id", organization_id.as_str())];
        let groups = self.service.group_list(&request, &query("/v1/groups", &filters)).await.expect("a page");
        let group_id = groups.items.iter().find(|group| group.name == "default").expect("a Group").id.clone();
        OtherOrganization { organization_id, group_id }
    }
}

impl World {
    /// Marks a Key as used now.
    pub(crate) async fn used(&self, key_id: &str) {
        let used = claviger_domain::usage::LastUse { at: self.now(), source: None };
        let marks = &[(key_id.to_owned(), used)];
        let marked = self
            .service
            .store()
            .commit("test_mark", |tx| Box::pin(async move { tx.mark_used(marks).await }))
            .await;
        marked.expect("a mark");
    }
}

impl World {
    /// The log's chain holds, and replaying it gives the tables.
    pub(crate) async fn verify_log(&self) {
        let mut reader = self.service.store().read().await.expect("a reader");
        assert_eq!(reader.verify_chain().await.expect("a chain").fault, None);
        assert_eq!(reader.verify_state().await.expect("tables").fault, None);
    }
}
