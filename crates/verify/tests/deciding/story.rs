//! A small world told in events, kept twice: as the log tells it to an index, and as the domain's own
//! nouns, which is what the tables hold.

use std::collections::{BTreeMap, BTreeSet};

use claviger_domain::aggregate::Aggregate;
use claviger_domain::apis::{
    Api, ApiPermission, ApiSettings, AuthType, CredentialHeaders, HeaderPreset, Requires, Upstream,
    Visibility,
};
use claviger_domain::applications::Application;
use claviger_domain::credential::{self, CredentialKind, Generated};
use claviger_domain::environments::Environment;
use claviger_domain::event::{
    ActorRef, Event, EventBody, IssuedKey, KeySetTerms, NewEvent, Position, Private, SharedKeyTerms, Subject,
    SubscriptionTerms,
};
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, EventId, GroupId, KeyId, KeySetId, OrganizationId, PolicyTemplateId,
    SharedKeyId, SubscriptionId,
};
use claviger_domain::key_sets::{Custody, IssueCause, KeySet, Schedule, SuspendedBy};
use claviger_domain::policy_templates::{Approval, Policy, TemplateVersion};
use claviger_domain::scope::Place;
use claviger_domain::secret::{Digest, DigestKey, DigestKeyId};
use claviger_domain::shared_keys::{Audience, SecretOrigin, SharedKey, typed_digest};
use claviger_domain::subscriptions::Subscription;
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::{Period, Timestamp};
use claviger_verify::{
    ApiFacts, ApplicationFacts, DEFAULT_MAX_STALENESS_SECONDS, DigestGeneration, DigestKeys,
    EnvironmentFacts, Index, KeyFacts, KeySetFacts, SharedKeyFacts, SubscriptionFacts,
};

/// When stories begin: 2026-07-01T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_782_864_000_000_000);

pub(crate) const SANDBOX: EnvironmentId = EnvironmentId::from_bytes([1; 16]);
pub(crate) const PRODUCTION: EnvironmentId = EnvironmentId::from_bytes([2; 16]);
pub(crate) const ACME: OrganizationId = OrganizationId::from_bytes([10; 16]);
pub(crate) const OTHER: OrganizationId = OrganizationId::from_bytes([11; 16]);
pub(crate) const TEAM: GroupId = GroupId::from_bytes([20; 16]);

/// What a Key is presented with.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) key: String,
    pub(crate) secret: Option<String>,
}

pub(crate) struct Story {
    pub(crate) now: Timestamp,
    pub(crate) events: Vec<Event>,
    pub(crate) environments: BTreeMap<EnvironmentId, Environment>,
    pub(crate) apis: BTreeMap<ApiId, Api>,
    pub(crate) applications: BTreeMap<ApplicationId, Application>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub(crate) key_sets: BTreeMap<KeySetId, KeySet>,
    pub(crate) credentials: BTreeMap<KeyId, Credentials>,
    pub(crate) shared_keys: BTreeMap<SharedKeyId, SharedKey>,
    pub(crate) shared_credentials: BTreeMap<SharedKeyId, Credentials>,
    digests: BTreeMap<KeyId, Private>,
    shared_digests: BTreeMap<SharedKeyId, (Digest, Option<(DigestKeyId, Digest)>)>,
    /// The generation that new credentials are digested with.
    pub(crate) generation: u32,
    counter: u64,
}

pub(crate) fn generation(id: u32) -> DigestGeneration {
    let byte = id.to_le_bytes()[0];
    DigestGeneration {
        key: DigestKey::new(DigestKeyId(id), &[byte; 32]),
        secret: DigestKey::new(DigestKeyId(id), &[byte ^ 0xff; 32]),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn permissions(words: &[&str]) -> Vec<ApiPermission> {
    words.iter().map(|word| ApiPermission::new(word).expect("a permission")).collect()
}

pub(crate) fn settings() -> ApiSettings {
    ApiSettings {
        name: name("Orders"),
        version: None,
        description: None,
        upstreams: vec![Upstream::new("http://127.0.0.1:9000").expect("an upstream")],
        environment_upstreams: BTreeMap::new(),
        environment_ids: BTreeSet::from([SANDBOX, PRODUCTION]),
        auth_types: BTreeSet::from(AuthType::ALL),
        requires: Requires::Key,
        credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
        permissions: permissions(&["orders:read", "orders:write"]),
        policy_template_id: PolicyTemplateId::from_bytes([30; 16]),
        rate_limit: None,
        quota: None,
        cors: None,
        ip_allow_list: None,
        visibility: Visibility::Organization,
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        expires_after: None,
        rotates_every: None,
        rotation_lead: Period::zero(),
        overlap: Period::zero(),
        manual_regeneration: true,
        retrievable: false,
        approval: Approval::None,
        notify_before: Vec::new(),
        rate_limit: None,
        quota: None,
    }
}

pub(crate) fn schedule(start: Timestamp, expires_at: Option<Timestamp>) -> Schedule {
    Schedule { start, provisioned_at: start, rotation_due_at: None, expires_at }
}

impl Story {
    /// Two Environments and nothing else.
    pub(crate) fn new() -> Self {
        let mut story = Self {
            now: START,
            events: Vec::new(),
            environments: BTreeMap::new(),
            apis: BTreeMap::new(),
            applications: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            key_sets: BTreeMap::new(),
            credentials: BTreeMap::new(),
            shared_keys: BTreeMap::new(),
            shared_credentials: BTreeMap::new(),
            digests: BTreeMap::new(),
            shared_digests: BTreeMap::new(),
            generation: 1,
            counter: 0,
        };
        for (environment_id, slug) in [(SANDBOX, "sandbox"), (PRODUCTION, "production")] {
            let slug = Slug::new(slug).expect("a slug");
            story.tell(EventBody::EnvironmentCreated { environment_id, slug, name: name("Environment") });
        }
        story
    }

    fn fresh(&mut self) -> [u8; 16] {
        self.counter += 1;
        (u128::from(self.counter) << 64 | u128::from(self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .to_be_bytes()
    }

    pub(crate) fn tell(&mut self, body: EventBody) {
        self.tell_with(body, None);
    }

    pub(crate) fn tell_with(&mut self, body: EventBody, private: Option<Private>) {
        fn keep<K: Ord, T: Aggregate>(nouns: &mut BTreeMap<K, T>, id: K, at: Timestamp, body: &EventBody) {
            let state = T::apply(nouns.remove(&id), at, body).expect("an event that fits");
            state.map(|state| nouns.insert(id, state));
        }
        match body.subject() {
            Subject::Environment(id) => keep(&mut self.environments, id, self.now, &body),
            Subject::Api(id) => keep(&mut self.apis, id, self.now, &body),
            Subject::Application(id) => keep(&mut self.applications, id, self.now, &body),
            Subject::Subscription(id) => keep(&mut self.subscriptions, id, self.now, &body),
            Subject::KeySet(id) => keep(&mut self.key_sets, id, self.now, &body),
            Subject::SharedKey(id) => keep(&mut self.shared_keys, id, self.now, &body),
            _ => {}
        }
        let position = Position(self.events.len() as i64 + 1);
        let id = EventId::from_bytes(self.fresh());
        self.events.push(Event {
            position,
            event: NewEvent {
                id,
                at: self.now,
                actor: ActorRef::system("test"),
                source: None,
                reason: None,
                place: Place::INSTANCE,
                counterpart: None,
                body,
                private,
            },
            hash: [0; 32],
            previous_hash: [0; 32],
        });
    }

    pub(crate) fn api(&mut self, slug: &str, settings: ApiSettings) -> ApiId {
        let api_id = ApiId::from_bytes(self.fresh());
        self.tell(EventBody::ApiCreated {
            api_id,
            organization_id: ACME,
            group_id: TEAM,
            slug: Slug::new(slug).expect("a slug"),
            settings,
            exposed: true,
        });
        api_id
    }

    pub(crate) fn application(&mut self, organization_id: OrganizationId) -> ApplicationId {
        let application_id = ApplicationId::from_bytes(self.fresh());
        self.tell(EventBody::ApplicationCreated {
            application_id,
            organization_id,
            group_id: TEAM,
            name: name("Shop"),
        });
        application_id
    }

    pub(crate) fn key_set(
        &mut self,
        application: ApplicationId,
        environment: EnvironmentId,
        auth_type: AuthType,
    ) -> KeySetId {
        self.key_set_under(policy(), application, environment, auth_type)
    }

    pub(crate) fn key_set_under(
        &mut self,
        policy: Policy,
        application: ApplicationId,
        environment: EnvironmentId,
        auth_type: AuthType,
    ) -> KeySetId {
        let key_set_id = KeySetId::from_bytes(self.fresh());
        let owner = &self.applications[&application];
        let terms = KeySetTerms {
            name: name("Set"),
            organization_id: owner.organization_id,
            group_id: owner.group_id,
            application_id: application,
            environment_id: environment,
            auth_type,
            policy,
            template: TemplateVersion {
                template_id: PolicyTemplateId::from_bytes([30; 16]),
                template_version: 1,
            },
        };
        self.tell(EventBody::KeySetCreated { key_set_id, terms: Box::new(terms) });
        key_set_id
    }

    fn generate(&mut self, kind: CredentialKind) -> Generated {
        self.counter += 1;
        let mut seed = self.counter;
        credential::generate(kind, |buffer| {
            for byte in buffer {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (seed >> 33) as u8;
            }
        })
    }

    /// A shared key of the API; an inside one has a secret.
    pub(crate) fn shared_key(
        &mut self,
        api: ApiId,
        audience: Audience,
        environment_id: Option<EnvironmentId>,
        held: Option<&[&str]>,
    ) -> SharedKeyId {
        let shared_key_id = SharedKeyId::from_bytes(self.fresh());
        let key = self.generate(CredentialKind::Key);
        let secret = audience.begins_with().map(|_| self.generate(CredentialKind::Secret));
        let digests = generation(self.generation);
        let private = Private {
            digest_key: digests.id(),
            key: digests.key.digest(key.value.expose().as_bytes()),
            secret: secret.as_ref().map(|it| digests.secret.digest(it.value.expose().as_bytes())),
        };
        let owner = &self.apis[&api];
        let terms = SharedKeyTerms {
            api_id: api,
            organization_id: owner.organization_id,
            group_id: owner.group_id,
            name: name("Shared"),
            audience,
            masked: key.masked,
            environment_id,
            permissions: held.map(permissions),
            rate_limit: None,
            ip_allow_list: None,
            retrievable: false,
        };
        let secret_digest = private.secret.map(|digest| (private.digest_key, digest));
        self.shared_digests.insert(shared_key_id, (private.key, secret_digest));
        let secret = secret.map(|secret| secret.value.expose().to_owned());
        let credentials = Credentials { key: key.value.expose().to_owned(), secret };
        self.shared_credentials.insert(shared_key_id, credentials);
        let body = EventBody::SharedKeyCreated { shared_key_id, terms: Box::new(terms) };
        self.tell_with(body, Some(private));
        shared_key_id
    }

    /// The owner's reset.
    pub(crate) fn reset_secret(&mut self, shared_key_id: SharedKeyId) {
        let secret = self.generate(CredentialKind::Secret).value.expose().to_owned();
        let body = EventBody::SharedKeySecretReset { shared_key_id, retrievable: false };
        self.put_secret(body, shared_key_id, SecretOrigin::Generated, &secret);
    }

    /// The portal's visitor sets a secret.
    pub(crate) fn give_secret(&mut self, shared_key_id: SharedKeyId, origin: SecretOrigin, secret: &str) {
        let body = EventBody::SharedKeySecretSet { shared_key_id, origin };
        self.put_secret(body, shared_key_id, origin, secret);
    }

    fn put_secret(&mut self, body: EventBody, id: SharedKeyId, origin: SecretOrigin, secret: &str) {
        let digests = generation(self.generation);
        let digest = match origin {
            SecretOrigin::Generated => digests.secret.digest(secret.as_bytes()),
            SecretOrigin::Typed => typed_digest(&digests.secret, id, secret),
        };
        if let Some(known) = self.shared_digests.get_mut(&id) {
            known.1 = Some((digests.id(), digest));
        }
        if let Some(held) = self.shared_credentials.get_mut(&id) {
            held.secret = Some(secret.to_owned());
        }
        self.tell_with(body, Some(Private { digest_key: digests.id(), key: digest, secret: None }));
    }

    /// Issues the next Key of the set. No schedule: Pending.
    pub(crate) fn issue(
        &mut self,
        set: KeySetId,
        schedule: Option<Schedule>,
        suspended_by: Option<SuspendedBy>,
    ) -> KeyId {
        let key_id = KeyId::from_bytes(self.fresh());
        let with_secret = self.key_sets[&set].auth_type.has_secret();
        let key = self.generate(CredentialKind::Key);
        let secret = with_secret.then(|| self.generate(CredentialKind::Secret));
        let digests = generation(self.generation);
        let private = Private {
            digest_key: digests.id(),
            key: digests.key.digest(key.value.expose().as_bytes()),
            secret: secret.as_ref().map(|it| digests.secret.digest(it.value.expose().as_bytes())),
        };
        let issued = IssuedKey {
            key_id,
            generation: self.key_sets[&set].latest().map_or(1, |latest| latest.generation + 1),
            masked: key.masked,
            issued_by: IssueCause::Subscribed,
            custody: Custody::Shown,
            planned_at: None,
            schedule,
            suspended_by,
        };
        self.tell_with(EventBody::KeyIssued { key_set_id: set, key: Box::new(issued) }, Some(private));
        self.digests.insert(key_id, private);
        let secret = secret.map(|secret| secret.value.expose().to_owned());
        self.credentials.insert(key_id, Credentials { key: key.value.expose().to_owned(), secret });
        key_id
    }

    pub(crate) fn subscribe(
        &mut self,
        api: ApiId,
        sets: &[KeySetId],
        held: Option<&[&str]>,
        pending: bool,
    ) -> SubscriptionId {
        let subscription_id = SubscriptionId::from_bytes(self.fresh());
        let (set, api_facts) = (&self.key_sets[&sets[0]], &self.apis[&api]);
        let terms = SubscriptionTerms {
            application_id: set.application_id,
            organization_id: set.organization_id,
            group_id: set.group_id,
            api_id: api,
            api_organization_id: api_facts.organization_id,
            api_group_id: api_facts.group_id,
            environment_id: set.environment_id,
            pending,
            lapses_at: None,
            permissions: held.map(permissions),
            note: None,
            key_set_ids: sets.to_vec(),
        };
        self.tell(EventBody::SubscriptionCreated { subscription_id, terms: Box::new(terms) });
        subscription_id
    }

    pub(crate) fn position(&self) -> Position {
        Position(self.events.len() as i64)
    }

    /// An index that followed the log from its beginning.
    pub(crate) fn told(&self) -> Index {
        let index = empty_index();
        index.loader(0).finish(Position(0), self.now).expect("an empty snapshot");
        index.apply_all(&self.events).expect("the log is of one piece");
        index.contact(self.now);
        index
    }

    /// An index that was loaded from the tables.
    pub(crate) fn loaded(&self) -> Index {
        let index = empty_index();
        let mut loader = index.loader(self.digests.len());
        self.environments.values().for_each(|it| loader.environment(EnvironmentFacts::from(it)));
        self.apis.values().for_each(|it| loader.api(ApiFacts::from(it)));
        for application in self.applications.values() {
            loader.application(ApplicationFacts::from(application)).expect("room");
        }
        let without_keys = self.key_sets.values().filter(|set| set.keys.is_empty());
        without_keys.for_each(|set| loader.key_set(&KeySetFacts::from(set)));
        for key in self.key_facts() {
            loader.key(&key).expect("room");
        }
        for facts in self.subscriptions.values().filter_map(SubscriptionFacts::of) {
            loader.subscription(facts).expect("Keys");
        }
        for key in self.shared_keys.values() {
            let (digest, secret) = self.shared_digests[&key.id];
            loader.shared_key(SharedKeyFacts::of(key, digest, secret));
        }
        loader.finish(self.position(), self.now).expect("a newer snapshot");
        index
    }

    pub(crate) fn key_facts(&self) -> impl Iterator<Item = KeyFacts> + '_ {
        self.key_sets.values().flat_map(|set| {
            set.keys.iter().map(|key| {
                let digests = self.digests[&key.id];
                KeyFacts::of(set, key, digests.key, digests.secret)
            })
        })
    }
}

/// An index with both digest generations and nothing in it.
pub(crate) fn empty_index() -> Index {
    let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    index.use_digest_keys(DigestKeys { newest: generation(2), previous: Some(generation(1)) });
    index
}
