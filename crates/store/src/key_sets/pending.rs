//! Key Sets as a transaction knows them. Their events change them in memory; their rows are written when
//! something else is read or at the end, many in one statement, so that a batch of Keys costs few round
//! trips and one Key costs no reading of what was read before. Nobody else writes meanwhile: the head of the
//! log is locked.

use std::collections::HashMap;

use claviger_domain::aggregate::Aggregate as _;
use claviger_domain::event::{EventBody, NewEvent, Private};
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Key, KeySet};
use claviger_domain::time::Timestamp;

use super::rows::{self, key_facts, latest_facts};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::{Value, values};
use crate::write::Write;

/// How many changed sets may wait, and how many unchanged ones are remembered.
const WAITING: usize = 512;
const REMEMBERED: usize = 4_096;

statements! {
    INSERT = "INSERT INTO key_sets (id, name, folded_name, organization_id, group_id, application_id, environment_id, \
              auth_type, policy, template_id, template_version, suspended_by, created_at, search, next_due_at, \
              latest_key_id, latest_status, latest_stops_at, latest_stops_as, latest_created_at, \
              latest_provisioned_at, latest_rotation_due_at, latest_expires_at, latest_revoked_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
              $22, $23, $24)";
    UPDATE = "UPDATE key_sets SET name = $2, folded_name = $3, policy = $4, template_id = $5, template_version = $6, \
              suspended_by = $7, search = $8, next_due_at = $9, latest_key_id = $10, latest_status = $11, \
              latest_stops_at = $12, latest_stops_as = $13, latest_created_at = $14, latest_provisioned_at = $15, \
              latest_rotation_due_at = $16, latest_expires_at = $17, latest_revoked_at = $18 WHERE id = $1";
    REMOVE = "UPDATE key_sets SET removed_at = $2 WHERE id = $1";
    REMOVE_KEYS = "UPDATE keys SET removed_at = $2 WHERE key_set_id = $1";
    INSERT_KEY = "INSERT INTO keys (id, key_set_id, generation, masked, issued_by, created_at, planned_at, digest_key, \
                  key_digest, secret_digest, identity, custody, start_at, provisioned_at, rotation_due_at, expires_at, \
                  retires_at, retires_as, ended_at, end_planned_at, end_reason, deciding) VALUES ($1, $2, $3, $4, $5, $6, \
                  $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";
    UPDATE_KEY = "UPDATE keys SET custody = $2, start_at = $3, provisioned_at = $4, rotation_due_at = $5, \
                  expires_at = $6, retires_at = $7, retires_as = $8, ended_at = $9, end_planned_at = $10, \
                  end_reason = $11, deciding = $12 WHERE id = $1";
}

/// The sets of one transaction.
#[derive(Debug, Default)]
pub(crate) struct PendingKeySets {
    /// Off for readers, which change nothing and remember nothing.
    on: bool,
    sets: HashMap<KeySetId, PendingKeySet>,
    /// The changed ones, in the order in which they changed first.
    changed: Vec<KeySetId>,
}

#[derive(Debug)]
struct PendingKeySet {
    /// As its rows say. None: it has none yet.
    saved: Option<KeySet>,
    /// As its events say. None: it was removed.
    now: Option<KeySet>,
    /// The digests of Keys that have no rows yet.
    private: HashMap<KeyId, Private>,
    /// Keys whose sealed values have no use any more.
    wiped: Vec<KeyId>,
    changed: bool,
}

impl PendingKeySets {
    pub(crate) fn writing() -> Self {
        Self { on: true, ..Self::default() }
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.changed.is_empty()
    }

    /// The set as the transaction knows it, if it does.
    pub(crate) fn known(&self, id: KeySetId) -> Option<Option<KeySet>> {
        self.sets.get(&id).map(|set| set.now.clone())
    }

    /// Remembers a set that was read.
    pub(crate) fn remember(&mut self, set: &KeySet) {
        if !self.on {
            return;
        }
        if self.sets.len() >= REMEMBERED {
            self.sets.retain(|_, set| set.changed);
        }
        self.sets.entry(set.id).or_insert_with(|| PendingKeySet {
            saved: Some(set.clone()),
            now: Some(set.clone()),
            private: HashMap::new(),
            wiped: Vec::new(),
            changed: false,
        });
    }

    /// The rows of every set that changed, to be written in this order.
    pub(crate) fn take(&mut self) -> Result<[Write; 5], StoreError> {
        let mut rows = Rows::default();
        for id in std::mem::take(&mut self.changed) {
            if let Some(set) = self.sets.get_mut(&id) {
                rows.collect(set)?;
            }
        }
        let wiped = rows.wiped.into_iter().map(|key_id| values![key_id]).collect();
        Ok([
            Write::of(INSERT, rows.new_sets),
            Write::of(UPDATE, rows.sets),
            Write::of(INSERT_KEY, rows.new_keys),
            Write::of(UPDATE_KEY, rows.keys),
            Write::of(crate::sealed::WIPE, wiped),
        ])
    }

    fn change(&mut self, before: Option<KeySet>, after: KeySet, event: &NewEvent) -> Result<(), StoreError> {
        let id = after.id;
        let set = self.sets.entry(id).or_insert_with(|| PendingKeySet {
            saved: None,
            now: None,
            private: HashMap::new(),
            wiped: Vec::new(),
            changed: false,
        });
        let chain = before.as_ref().map_or(&[][..], |before| &before.keys);
        set.wiped.extend(after.keys.iter().zip(chain).filter_map(to_be_wiped));
        for key in &after.keys[chain.len()..] {
            let private = event
                .private
                .ok_or_else(|| StoreError::corrupt("log", "a Key was issued without its digest"))?;
            set.private.insert(key.id, private);
        }
        set.now = Some(after);
        if !std::mem::replace(&mut set.changed, true) {
            self.changed.push(id);
        }
        Ok(())
    }
}

/// A Key whose sealed value has no use any more: what ended is never retrieved (product.md D8). The reveal of
/// what may be had once does not wipe it: whoever shows it does, just before ([`crate::Tx::discard_sealed`]).
fn to_be_wiped((key, before): (&Key, &Key)) -> Option<KeyId> {
    (before.ended.is_none() && key.ended.is_some()).then_some(key.id)
}

/// The rows that a flush writes.
#[derive(Default)]
struct Rows {
    new_sets: Vec<Vec<Value>>,
    sets: Vec<Vec<Value>>,
    new_keys: Vec<Vec<Value>>,
    keys: Vec<Vec<Value>>,
    wiped: Vec<KeyId>,
}

impl Rows {
    fn collect(&mut self, set: &mut PendingKeySet) -> Result<(), StoreError> {
        let Some(now) = &set.now else { return Ok(()) };
        match &set.saved {
            None => self.new_sets.push(new_row(now)),
            Some(saved) if saved != now => self.sets.push(changed_row(now)),
            Some(_) => {}
        }
        let saved_keys = set.saved.as_ref().map_or(&[][..], |saved| &saved.keys);
        for (index, key) in now.keys.iter().enumerate() {
            let facts = key_facts(now, key);
            match (&set.saved, saved_keys.get(index)) {
                (Some(saved), Some(before)) if key_facts(saved, before) == facts => {}
                (Some(_), Some(_)) => self.keys.push([values![key.id], facts].concat()),
                _ => {
                    let private = set.private.remove(&key.id);
                    let issued = rows::issued(now, key, private.as_ref())?;
                    self.new_keys.push([issued, facts].concat());
                }
            }
        }
        self.wiped.append(&mut set.wiped);
        set.saved.clone_from(&set.now);
        set.changed = false;
        Ok(())
    }
}

fn new_row(set: &KeySet) -> Vec<Value> {
    let mut values = values![
        set.id,
        &set.name,
        set.name.folded(),
        set.organization_id,
        set.group_id,
        set.application_id,
        set.environment_id,
        set.auth_type.as_str(),
        rows::policy(set),
        set.template.template_id,
        set.template.template_version,
        rows::suspended_by(set),
        set.created_at,
    ];
    values.extend(latest_facts(set));
    values
}

fn changed_row(set: &KeySet) -> Vec<Value> {
    let mut values = values![
        set.id,
        &set.name,
        set.name.folded(),
        rows::policy(set),
        set.template.template_id,
        set.template.template_version,
        rows::suspended_by(set),
    ];
    values.extend(latest_facts(set));
    values
}

impl Reader {
    /// Lets the domain apply the event to its Key Set.
    pub(crate) async fn apply_to_key_set(
        &mut self,
        id: KeySetId,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        let before = match event.body {
            // Looking for what can't be there would have the sets of a batch written one by one. If it is there, its
            // id is refused when the row is written.
            EventBody::KeySetCreated { .. } => self.pending.key_sets.known(id).flatten(),
            _ => self.key_set(id).await?,
        };
        let after = KeySet::apply(before.clone(), event.at, &event.body)?;
        match (before, after) {
            (before, Some(after)) => self.pending.key_sets.change(before, after, event)?,
            (Some(before), None) => self.remove_key_set(&before, event.at).await?,
            (None, None) => {}
        }
        if self.pending.key_sets.changed.len() >= WAITING {
            self.flush().await?;
        }
        Ok(())
    }

    /// The set was Pending and nothing uses it any more: its Key is unknown from now on.
    async fn remove_key_set(&mut self, set: &KeySet, at: Timestamp) -> Result<(), StoreError> {
        for key in &set.keys {
            self.wipe_sealed(key.id).await?;
        }
        self.execute(REMOVE_KEYS, values![set.id, at]).await?;
        self.execute(REMOVE, values![set.id, at]).await?;
        if let Some(known) = self.pending.key_sets.sets.get_mut(&set.id) {
            known.now = None;
        }
        Ok(())
    }
}
