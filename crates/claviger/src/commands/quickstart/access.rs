//! The service key that the tour calls with: on the first run the one that `init` makes; on a later one a
//! new one, good for a day, in the place of the one before, since the first can't be read again.

use anyhow::{Context as _, bail};
use claviger_domain::apis::Api;
use claviger_domain::event::{ActorKind, ActorRef};
use claviger_domain::members::Email;
use claviger_domain::scope::Scope;
use claviger_domain::secret::Plaintext;
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_domain::text::Name;
use claviger_service::request::Outcome;
use claviger_service::{Beginning, Caller, Request, Service};
use claviger_wire::service_keys::Create;

use super::tour::API;

/// What the tour's own service key is called.
const NAME: &str = "Quickstart";
/// For how long it is good.
const SECONDS: i64 = 86_400;

/// A service key, and whether it is the owner's first.
pub(super) struct Access {
    pub(super) key: Plaintext,
    pub(super) first: bool,
}

impl Access {
    /// Initialises the database if nobody has; otherwise makes a new key as the owner would.
    pub(super) async fn gain(service: &Service) -> anyhow::Result<Self> {
        let instance = service.store().read().await?.instance().await?;
        if instance.is_some_and(|instance| instance.initialised_at.is_some()) {
            demand_own(service).await?;
            return Self::anew(service).await;
        }
        let beginning = Beginning {
            owner: Email::new("owner@localhost.localdomain").context("the owner's address")?,
            organization: Name::new("Default").context("the Organization's name")?,
        };
        let made = service.init(&beginning).await?;
        Ok(Self { key: made.service_key, first: true })
    }

    async fn anew(service: &Service) -> anyhow::Result<Self> {
        let keys: Vec<ServiceKey> = service
            .store()
            .read()
            .await?
            .service_key_rows()
            .await?
            .into_iter()
            .map(|row| row.service_key)
            .collect();
        let Some(owner) = keys.iter().find(|key| acts_for_the_owner(key)) else {
            bail!(
                "no service key of an owner is left to act for: make one with `claviger owner-key`, or name another \
                 folder with --data-dir"
            );
        };
        let request = acting_as(owner);
        for old in keys.iter().filter(|key| key.name.as_str() == NAME && key.id != owner.id) {
            service.service_key_delete(&request, old.id).await?;
        }
        let body = Create {
            name: NAME.to_owned(),
            permission_group_ids: owner.permission_group_ids.iter().map(ToString::to_string).collect(),
            scope: None,
            member_id: None,
            expires_at: Some(service.now().plus_seconds(SECONDS).to_string()),
            ip_allow_list: None,
        };
        let written = service.service_key_create(&request, &body).await?;
        match written.outcome {
            Outcome::Fresh(made) => {
                let key = made.key.context("a new service key has its value")?;
                Ok(Self { key: Plaintext::new(key), first: false })
            }
            Outcome::Replayed(_) => {
                bail!("a request without an Idempotency-Key was answered as a repetition")
            }
        }
    }
}

/// Nothing is added to what others are at work with: the data is an earlier tour's, or has no API yet.
async fn demand_own(service: &Service) -> anyhow::Result<()> {
    let (mut own, mut others) = (false, false);
    let note = |api: Api| if api.slug.as_str() == API { own = true } else { others = true };
    service.store().read().await?.each_api(note).await?;
    if others && !own {
        bail!(
            "this data has APIs and no quickstart made them, so nothing is added to it: for the tour name another \
             folder with --data-dir, and another database with --database-url if you named one"
        );
    }
    Ok(())
}

/// The key made by `init`, or one like it.
fn acts_for_the_owner(key: &ServiceKey) -> bool {
    key.status == ServiceKeyStatus::Active
        && key.scope == Scope::EVERYTHING
        && key.expires_at.is_none()
        && key.ip_allow_list.is_none()
}

/// Whoever runs this on the server has all that is in the data folder: it acts as the owner's key, and the
/// log says so.
fn acting_as(key: &ServiceKey) -> Request {
    let actor =
        ActorRef { kind: ActorKind::ServiceKey, id: Some(key.id.to_string()), name: key.name.to_string() };
    Request {
        caller: Caller { service_key_id: key.id, organization_id: key.organization_id, actor },
        source: None,
        if_match: None,
        idempotency: None,
    }
}
