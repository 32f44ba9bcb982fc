//! Key Sets and Keys as rows, both ways.

use claviger_domain::event::Private;
use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::{EndReason, Ended, Key, KeySet, KeyStatus, Retirement, Schedule};
use claviger_domain::policy_templates::TemplateVersion;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::text::folded;

use super::{KeyDigests, packed};
use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::value::{Value, json, values, word};

macro_rules! set_columns {
    () => {
        "key_sets.id, key_sets.name, key_sets.organization_id, key_sets.group_id, \
         key_sets.application_id, key_sets.environment_id, key_sets.auth_type, key_sets.policy, \
         key_sets.template_id, key_sets.template_version, key_sets.suspended_by, key_sets.created_at"
    };
}

macro_rules! key_columns {
    () => {
        "keys.key_set_id, keys.id, keys.generation, keys.masked, keys.issued_by, keys.custody, \
         keys.created_at, keys.planned_at, keys.start_at, keys.provisioned_at, keys.rotation_due_at, \
         keys.expires_at, keys.retires_at, keys.retires_as, keys.ended_at, keys.end_planned_at, \
         keys.end_reason"
    };
}

pub(crate) use {key_columns, set_columns};

/// A set without its chain, which is read beside it.
impl FromRow for KeySet {
    const TABLE: &'static str = "key_sets";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            name: columns.word()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            application_id: columns.id()?,
            environment_id: columns.id()?,
            auth_type: columns.word()?,
            policy: columns.json()?,
            template: TemplateVersion { template_id: columns.id()?, template_version: columns.count()? },
            suspended_by: columns.optional_word()?,
            keys: Vec::new(),
            created_at: columns.instant()?,
        })
    }
}

/// A Key, and the set it belongs to.
pub(crate) struct KeyOfSet(pub(crate) KeySetId, pub(crate) Key);

impl FromRow for KeyOfSet {
    const TABLE: &'static str = "keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let set = columns.id()?;
        let key = Key {
            id: columns.id()?,
            generation: columns.count()?,
            masked: columns.word()?,
            issued_by: columns.word()?,
            custody: columns.word()?,
            created_at: columns.instant()?,
            planned_at: columns.optional_instant()?,
            schedule: schedule(columns)?,
            retirement: retirement(columns)?,
            ended: ended(columns)?,
        };
        Ok(Self(set, key))
    }
}

fn schedule(columns: &mut Columns<'_>) -> Result<Option<Schedule>, StoreError> {
    let start = columns.optional_instant()?;
    let provisioned_at = columns.optional_instant()?;
    let rotation_due_at = columns.optional_instant()?;
    let expires_at = columns.optional_instant()?;
    Ok(match (start, provisioned_at) {
        (Some(start), Some(provisioned_at)) => {
            Some(Schedule { start, provisioned_at, rotation_due_at, expires_at })
        }
        _ => None,
    })
}

fn retirement(columns: &mut Columns<'_>) -> Result<Option<Retirement>, StoreError> {
    let (retires_at, reason) = (columns.optional_instant()?, columns.optional_word()?);
    Ok(retires_at.zip(reason).map(|(retires_at, reason)| Retirement { retires_at, reason }))
}

fn ended(columns: &mut Columns<'_>) -> Result<Option<Ended>, StoreError> {
    let (ended_at, planned_at) = (columns.optional_instant()?, columns.optional_instant()?);
    let reason = columns.optional_word()?;
    Ok(ended_at.zip(reason).map(|(ended_at, reason)| Ended { ended_at, planned_at, reason }))
}

/// The digests of one Key.
pub(crate) struct DigestRow(pub(crate) KeyDigests);

impl FromRow for DigestRow {
    const TABLE: &'static str = "keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(KeyDigests {
            key_set_id: columns.id()?,
            key_id: columns.id()?,
            digest_key: DigestKeyId(columns.count()?),
            key: Digest::from_bytes(columns.hash()?),
            secret: columns.optional_hash()?.map(Digest::from_bytes),
        }))
    }
}

pub(crate) fn policy(set: &KeySet) -> Value {
    json(&set.policy)
}

pub(crate) fn suspended_by(set: &KeySet) -> Value {
    set.suspended_by.as_ref().map_or(Value::Text(None), word)
}

/// What a set's row says of its LATEST, and when it is due: from `search` on.
pub(crate) fn latest_facts(set: &KeySet) -> Vec<Value> {
    let latest = set.latest();
    let schedule = latest.and_then(|key| key.schedule);
    let clock_end = latest.filter(|key| key.ended.is_none()).and_then(Key::clock_end);
    let revoked = latest.and_then(|key| key.ended).filter(|ended| ended.reason != EndReason::Expired);
    values![
        search(set),
        set.next_due_at(),
        latest.map(|key| key.id),
        recorded_status(set).as_str(),
        clock_end.map(|(at, _)| at),
        clock_end.map(|(_, reason)| status_after(reason).as_str()),
        latest.map_or(set.created_at, |key| key.created_at),
        schedule.map(|schedule| schedule.provisioned_at),
        schedule.and_then(|schedule| schedule.rotation_due_at),
        schedule.and_then(|schedule| schedule.expires_at),
        revoked.map(|ended| ended.ended_at),
    ]
}

/// The status that the record says, the clock left out.
fn recorded_status(set: &KeySet) -> KeyStatus {
    match set.latest() {
        None => KeyStatus::Pending,
        Some(Key { ended: Some(ended), .. }) => status_after(ended.reason),
        Some(Key { schedule: None, .. }) => KeyStatus::Pending,
        Some(_) if set.suspended_by.is_some() => KeyStatus::Suspended,
        Some(_) => KeyStatus::Active,
    }
}

fn status_after(reason: EndReason) -> KeyStatus {
    if reason == EndReason::Expired { KeyStatus::Expired } else { KeyStatus::Revoked }
}

/// What the free text is looked for in, beside the Application's name.
fn search(set: &KeySet) -> String {
    let mut text = format!("{}\n{}", set.name, set.id);
    for key in &set.keys {
        text.push('\n');
        text.push_str(key.masked.as_str());
    }
    folded(&text)
}

/// What never changes of a Key's row: from its id to its identity.
pub(crate) fn issued(set: &KeySet, key: &Key, private: Option<&Private>) -> Result<Vec<Value>, StoreError> {
    let Some(private) = private else {
        return Err(StoreError::corrupt("log", "a Key was issued without its digest"));
    };
    Ok(values![
        key.id,
        set.id,
        key.generation,
        &key.masked,
        word(&key.issued_by),
        key.created_at,
        key.planned_at,
        private.digest_key,
        &private.key,
        private.secret.as_ref(),
        packed::identity(set, key, private),
    ])
}

/// What may change of a Key's row: from `custody` on.
pub(crate) fn key_facts(set: &KeySet, key: &Key) -> Vec<Value> {
    values![
        word(&key.custody),
        key.schedule.map(|schedule| schedule.start),
        key.schedule.map(|schedule| schedule.provisioned_at),
        key.schedule.and_then(|schedule| schedule.rotation_due_at),
        key.schedule.and_then(|schedule| schedule.expires_at),
        key.retirement.map(|retirement| retirement.retires_at),
        key.retirement.map(|retirement| retirement.reason.as_str()),
        key.ended.map(|ended| ended.ended_at),
        key.ended.and_then(|ended| ended.planned_at),
        key.ended.map(|ended| ended.reason.as_str()),
        packed::deciding(set, key),
    ]
}
