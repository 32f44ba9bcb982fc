//! Filling what decides from the tables, at one consistent position.

use std::collections::HashMap;
use std::time::Instant;

use claviger_domain::applications::ApplicationStatus;
use claviger_domain::event::Position;
use claviger_domain::id::KeySetId;
use claviger_domain::time::Timestamp;
use claviger_store::{ApplicationRow, GrantRow, Reader, heard, heard_over_all};
use claviger_verify::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, Index, KeyFacts, LoadError, Loader, PermissionGroupFacts,
    ServiceKeyFacts, SharedKeyFacts, SubscriptionFacts,
};

use crate::error::Error;
use crate::permission_groups::allowed;
use crate::state::Service;

impl Service {
    /// Fills the index, and what authenticates the callers of verify, from the tables.
    pub async fn load(&self) -> Result<(), Error> {
        let _one_at_a_time = self.state.follower.applying().await;
        self.load_locked().await
    }

    /// The same, by one who holds the follower.
    pub(crate) async fn load_locked(&self) -> Result<(), Error> {
        let started = Instant::now();
        let mut reader = heard(self.state.store.read_to_follow()).await?;
        let now = self.now();
        // All is read before anything is shown: a read that fails leaves both as they were.
        let (groups, keys) = control(&mut reader).await?;
        let position = load_index(&mut reader, &self.state.follower.index, now).await?;
        self.state.follower.control.load(groups, keys, position, now).map_err(Error::internal)?;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(position = position.0, milliseconds, "the index is loaded");
        Ok(())
    }
}

/// Fills the index from the tables as `reader` sees them at `now`, and answers the position of the log that they
/// stand at.
pub async fn load_index(reader: &mut Reader, index: &Index, now: Timestamp) -> Result<Position, Error> {
    let position = heard(reader.position()).await?;
    let mut loader = index.loader(heard_over_all(reader.key_count()).await?);
    fill(reader, &mut loader).await?;
    loader.finish(position, now).map_err(Error::internal)?;
    Ok(position)
}

async fn fill(reader: &mut Reader, loader: &mut Loader<'_>) -> Result<(), Error> {
    for environment in heard_over_all(reader.all_environments()).await? {
        loader.environment(EnvironmentFacts::from(&environment));
    }
    reader.each_api(|api| loader.api(ApiFacts::from(&api))).await?;
    let mut fault = None;
    let mut note = |result: Result<(), LoadError>| {
        if let Err(error) = result {
            fault.get_or_insert(error);
        }
    };
    reader.each_application(|row| note(loader.application(application(row)))).await?;
    let mut limits = HashMap::new();
    reader.each_limited_key_set(|set, limited| _ = limits.insert(set, limited)).await?;
    let limits_of = |set: &KeySetId| limits.get(set).copied().unwrap_or_default();
    reader.each_key(|row| note(loader.key(&KeyFacts::deciding(&row, limits_of(&row.key_set_id))))).await?;
    let subscription = |grant: GrantRow| SubscriptionFacts {
        api_id: grant.api_id,
        key_set_ids: grant.key_set_ids,
        permissions: grant.permissions,
    };
    reader.each_grant(|grant| note(loader.subscription(subscription(grant)))).await?;
    for row in heard_over_all(reader.shared_key_rows()).await? {
        loader.shared_key(SharedKeyFacts::of(&row.shared_key, row.digest, row.secret));
    }
    match fault {
        Some(error) => Err(Error::internal(error)),
        None => Ok(()),
    }
}

fn application(row: ApplicationRow) -> ApplicationFacts {
    let ApplicationRow { id, organization_id, group_id, name, status } = row;
    ApplicationFacts {
        id,
        name,
        organization_id,
        group_id,
        suspended: status == ApplicationStatus::Suspended,
    }
}

async fn control(reader: &mut Reader) -> Result<(Vec<PermissionGroupFacts>, Vec<ServiceKeyFacts>), Error> {
    let groups = reader.all_permission_groups().await?;
    let groups = groups
        .iter()
        .map(|group| PermissionGroupFacts { id: group.id, permissions: allowed(group) })
        .collect();
    let rows = heard_over_all(reader.service_key_rows()).await?;
    Ok((groups, rows.iter().map(|row| ServiceKeyFacts::of(&row.service_key, row.digest)).collect()))
}
