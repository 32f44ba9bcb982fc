//! A node as its doors see it: an index with one Key, whose policy is limited, and what limits it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_domain::apis::AuthType;
use claviger_domain::credential::{self, CredentialKind};
use claviger_domain::event::Position;
use claviger_domain::id::{ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId};
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::secret::{DigestKey, DigestKeyId};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use claviger_limits::{Limiter, Shared};
use claviger_verify::{
    ApplicationFacts, Credential, Decision, DigestGeneration, DigestKeys, EnvironmentFacts, Index, KeyFacts,
    KeySetFacts, Meters, Request,
};

/// 2026-07-01T00:00:00Z, where each node's own time stands still.
const START: Timestamp = Timestamp::from_micros(1_782_864_000_000_000);

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) limiter: Limiter,
    pub(crate) meters: Meters,
    index: Index,
    key: String,
    url: String,
    limits: CallLimits,
}

impl Node {
    /// A node that shares what it counts, once it has tried to reach whoever it shares with.
    pub(crate) async fn sharing(url: &str, limits: CallLimits) -> Self {
        let shared = Arc::new(Shared::new(url).expect("an address"));
        shared.begin().await;
        let kept = Arc::clone(&shared);
        tokio::spawn(async move { kept.keep().await });
        let key = credential::generate(CredentialKind::Key, |buffer| buffer.fill(7));
        let key = key.value.expose().to_owned();
        let index = index(&key, limits);
        Self {
            limiter: Limiter::sharing(shared),
            meters: Meters::default(),
            index,
            key,
            url: url.to_owned(),
            limits,
        }
    }

    /// Another node of the same, which has counted nothing yet.
    pub(crate) async fn on_a_fresh_node(&self) -> Self {
        Self::sharing(&self.url, self.limits).await
    }

    pub(crate) async fn call(&self, cost: u32) -> Decision {
        let credential = Credential::from_parts(Some(&self.key), None);
        let mut decision = self.index.decide(&Request { cost, ..Request::new(credential) }, START);
        self.limiter.settle(&mut decision, &self.meters, None, START).await;
        decision
    }
}

fn index(key: &str, limits: CallLimits) -> Index {
    let generation = DigestGeneration {
        key: DigestKey::new(DigestKeyId(1), &[1; 32]),
        secret: DigestKey::new(DigestKeyId(1), &[2; 32]),
    };
    let digest = generation.key.digest(key.as_bytes());
    let index = Index::new(3_600);
    index.use_digest_keys(DigestKeys { newest: generation, previous: None });
    let (environment_id, application_id) =
        (EnvironmentId::from_bytes([1; 16]), ApplicationId::from_bytes([1; 16]));
    let mut loader = index.loader(1);
    loader
        .environment(EnvironmentFacts { id: environment_id, slug: Slug::new("production").expect("a slug") });
    let application = ApplicationFacts {
        id: application_id,
        name: Name::new("Shop").expect("a name"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        suspended: false,
    };
    loader.application(application).expect("room");
    let key_set = KeySetFacts {
        id: KeySetId::from_bytes([1; 16]),
        application_id,
        environment_id,
        auth_type: AuthType::ApiKey,
        suspended: false,
        limits,
    };
    let facts = KeyFacts {
        id: KeyId::from_bytes([1; 16]),
        key_set,
        latest: true,
        digest,
        secret_digest: None,
        provisioned: true,
        expires_at: None,
        retires_at: None,
        ended: None,
    };
    loader.key(&facts).expect("room");
    loader.finish(Position(1), START).expect("a first snapshot");
    index
}

pub(crate) async fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "not {what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
