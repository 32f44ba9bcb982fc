//! A row of the log as stored, and its hash: SHA-256 over every column, each with its length, chained to the
//! row before. The private part goes in through a SHA-256 of its own, so that the chain can be checked by
//! one who may not see it.

use claviger_domain::event::{
    ActorKind, ActorRef, EVENT_VERSION, Event, EventBody, NewEvent, Position, Private,
};
use claviger_domain::scope::Place;
use claviger_domain::secret::{Digest as CredentialDigest, DigestKeyId};
use claviger_domain::text::Note;
use sha2::{Digest as _, Sha256};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::{Value, values, word};

/// The columns, in the order in which they are stored, read and hashed.
macro_rules! columns {
    () => {
        "log.position, log.id, log.version, log.at, log.kind, log.actor_kind, log.actor_id, log.actor_name, \
         log.source, log.reason, log.subject_kind, log.subject_id, log.organization_id, log.group_id, \
         log.environment_id, log.counterpart_organization_id, log.counterpart_group_id, \
         log.counterpart_environment_id, log.data, log.private, log.hash, log.previous_hash"
    };
}

pub(crate) const COLUMNS: &str = columns!();

statements! {
    INSERT = "INSERT INTO log (position, id, version, at, kind, actor_kind, actor_id, actor_name, source, \
              reason, subject_kind, subject_id, organization_id, group_id, environment_id, \
              counterpart_organization_id, counterpart_group_id, counterpart_environment_id, data, private, \
              hash, previous_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
              $16, $17, $18, $19, $20, $21, $22)";
    AFTER = concat!("SELECT ", columns!(), " FROM log WHERE position > $1 ORDER BY position LIMIT $2");
    OF_SUBJECT = concat!("SELECT ", columns!(), " FROM log WHERE subject_id = $1 ORDER BY position");
    LAST_OF_SUBJECTS = "SELECT subject_id, MAX(position) FROM log WHERE subject_id IN ($1) GROUP BY subject_id";
    LAST_OF_SUBJECT = "SELECT position, at FROM log WHERE subject_id = $1 ORDER BY position DESC LIMIT 1";
    BY_ID = concat!("SELECT ", columns!(), " FROM log WHERE id = $1");
    STREAM = concat!("SELECT ", columns!(), " FROM log WHERE position > $1 ORDER BY position");
}

/// One row of the table `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub(crate) position: Position,
    id: String,
    version: i64,
    at: i64,
    kind: String,
    actor_kind: String,
    actor_id: Option<String>,
    actor_name: String,
    source: Option<String>,
    reason: Option<String>,
    subject_kind: String,
    subject_id: String,
    place: PlaceColumns,
    counterpart: PlaceColumns,
    data: String,
    private: Option<Vec<u8>>,
    pub(crate) hash: [u8; 32],
    pub(crate) previous_hash: [u8; 32],
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PlaceColumns {
    organization_id: Option<String>,
    group_id: Option<String>,
    environment_id: Option<String>,
}

impl LogRow {
    /// The row that `event` becomes at `position`, after the row whose hash is `previous_hash`.
    pub(crate) fn of(
        event: &NewEvent,
        position: Position,
        previous_hash: [u8; 32],
    ) -> Result<Self, StoreError> {
        let subject = event.body.subject();
        let mut row = Self {
            position,
            id: event.id.to_string(),
            version: EVENT_VERSION,
            at: event.at.as_micros(),
            kind: event.body.kind().to_owned(),
            actor_kind: event.actor.kind.as_str().to_owned(),
            actor_id: event.actor.id.clone(),
            actor_name: event.actor.name.clone(),
            source: event.source.clone(),
            reason: event.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            subject_kind: subject.kind().to_owned(),
            subject_id: subject.id(),
            place: PlaceColumns::of(Some(&event.place)),
            counterpart: PlaceColumns::of(event.counterpart.as_ref()),
            data: data_of(&event.body)?,
            private: event.private.as_ref().map(private_to_bytes),
            hash: [0; 32],
            previous_hash,
        };
        row.hash = row.computed_hash();
        Ok(row)
    }

    /// What the hash of this row must be.
    pub(crate) fn computed_hash(&self) -> [u8; 32] {
        let mut hash = Columnwise(Sha256::new());
        hash.integer(self.position.0);
        hash.text(&self.id);
        hash.integer(self.version);
        hash.integer(self.at);
        hash.text(&self.kind);
        hash.text(&self.actor_kind);
        hash.optional_text(self.actor_id.as_deref());
        hash.text(&self.actor_name);
        hash.optional_text(self.source.as_deref());
        hash.optional_text(self.reason.as_deref());
        hash.text(&self.subject_kind);
        hash.text(&self.subject_id);
        for place in [&self.place, &self.counterpart] {
            hash.optional_text(place.organization_id.as_deref());
            hash.optional_text(place.group_id.as_deref());
            hash.optional_text(place.environment_id.as_deref());
        }
        hash.text(&self.data);
        hash.column(self.private.as_deref().map(Sha256::digest).as_deref());
        hash.column(Some(&self.previous_hash));
        hash.0.finalize().into()
    }

    /// The parameters of [`INSERT`].
    pub(crate) fn into_values(self) -> Vec<Value> {
        values![
            self.position,
            self.id,
            self.version,
            self.at,
            self.kind,
            self.actor_kind,
            self.actor_id,
            self.actor_name,
            self.source,
            self.reason,
            self.subject_kind,
            self.subject_id,
            self.place.organization_id,
            self.place.group_id,
            self.place.environment_id,
            self.counterpart.organization_id,
            self.counterpart.group_id,
            self.counterpart.environment_id,
            self.data,
            self.private,
            self.hash,
            self.previous_hash,
        ]
    }

    /// The event that the row is. One of a later version, or of a kind unknown here, stops its reader.
    pub(crate) fn into_event(self) -> Result<Event, StoreError> {
        let wrong = |what: &str| {
            StoreError::corrupt("log", format!("position {}: {what} can't be read", self.position.0))
        };
        if !(1..=EVENT_VERSION).contains(&self.version) {
            return Err(wrong(&format!("version {}", self.version)));
        }
        let body = format!("{{\"kind\":{:?},\"data\":{}}}", self.kind, self.data);
        let body: EventBody =
            serde_json::from_str(&body).map_err(|error| wrong(&format!("the body ({error})")))?;
        let event = NewEvent {
            id: self.id.parse().map_err(|_| wrong("the id"))?,
            at: claviger_domain::time::Timestamp::from_micros(self.at),
            actor: ActorRef {
                kind: actor_kind(&self.actor_kind).ok_or_else(|| wrong("the actor"))?,
                id: self.actor_id.clone(),
                name: self.actor_name.clone(),
            },
            source: self.source.clone(),
            reason: match &self.reason {
                Some(reason) => Some(Note::new(reason).map_err(|_| wrong("the reason"))?),
                None => None,
            },
            place: self.place.read().ok_or_else(|| wrong("the place"))?,
            counterpart: match self.counterpart == PlaceColumns::default() {
                true => None,
                false => Some(self.counterpart.read().ok_or_else(|| wrong("the counterpart"))?),
            },
            body,
            private: match &self.private {
                Some(bytes) => Some(private_from_bytes(bytes).ok_or_else(|| wrong("the private part"))?),
                None => None,
            },
        };
        Ok(Event { position: self.position, event, hash: self.hash, previous_hash: self.previous_hash })
    }
}

impl FromRow for LogRow {
    const TABLE: &'static str = "log";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        let place = |columns: &mut Columns<'_>| -> Result<PlaceColumns, StoreError> {
            Ok(PlaceColumns {
                organization_id: text(columns.optional_text()?),
                group_id: text(columns.optional_text()?),
                environment_id: text(columns.optional_text()?),
            })
        };
        Ok(Self {
            position: columns.position()?,
            id: columns.text()?.to_owned(),
            version: columns.integer()?,
            at: columns.integer()?,
            kind: columns.text()?.to_owned(),
            actor_kind: columns.text()?.to_owned(),
            actor_id: text(columns.optional_text()?),
            actor_name: columns.text()?.to_owned(),
            source: text(columns.optional_text()?),
            reason: text(columns.optional_text()?),
            subject_kind: columns.text()?.to_owned(),
            subject_id: columns.text()?.to_owned(),
            place: place(columns)?,
            counterpart: place(columns)?,
            data: columns.text()?.to_owned(),
            private: columns.optional_bytes()?.map(ToOwned::to_owned),
            hash: columns.hash()?,
            previous_hash: columns.hash()?,
        })
    }
}

impl FromRow for Event {
    const TABLE: &'static str = "log";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        LogRow::from_row(columns)?.into_event()
    }
}

impl PlaceColumns {
    fn of(place: Option<&Place>) -> Self {
        let place = place.copied().unwrap_or(Place::INSTANCE);
        Self {
            organization_id: place.organization_id.map(|id| id.to_string()),
            group_id: place.group_id.map(|id| id.to_string()),
            environment_id: place.environment_id.map(|id| id.to_string()),
        }
    }

    fn read(&self) -> Option<Place> {
        fn id<K: claviger_domain::id::Kind>(
            text: &Option<String>,
        ) -> Option<Option<claviger_domain::id::Id<K>>> {
            text.as_ref().map_or(Some(None), |text| text.parse().ok().map(Some))
        }
        Some(Place {
            organization_id: id(&self.organization_id)?,
            group_id: id(&self.group_id)?,
            environment_id: id(&self.environment_id)?,
        })
    }
}

/// A hash over columns, none of which can run into the next.
struct Columnwise(Sha256);

impl Columnwise {
    fn column(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.0.update([0]),
            Some(bytes) => {
                self.0.update([1]);
                self.0.update((bytes.len() as u64).to_be_bytes());
                self.0.update(bytes);
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.column(Some(text.as_bytes()));
    }

    fn optional_text(&mut self, text: Option<&str>) {
        self.column(text.map(str::as_bytes));
    }

    fn integer(&mut self, integer: i64) {
        self.column(Some(&integer.to_be_bytes()));
    }
}

/// The `data` of a body without its `kind`, which has a column of its own.
fn data_of(body: &EventBody) -> Result<String, StoreError> {
    #[derive(serde::Deserialize)]
    struct Parts {
        data: Box<serde_json::value::RawValue>,
    }
    let text = serde_json::to_string(body).map_err(|error| StoreError::corrupt("log", error))?;
    let parts: Parts = serde_json::from_str(&text).map_err(|error| StoreError::corrupt("log", error))?;
    Ok(parts.data.get().to_owned())
}

fn actor_kind(text: &str) -> Option<ActorKind> {
    [ActorKind::System, ActorKind::Member, ActorKind::ServiceKey, ActorKind::Portal]
        .into_iter()
        .find(|kind| Value::Text(Some(text.to_owned())) == word(kind))
}

/// Version 1: the digest key's number, the key's digest, and the secret's if it has one.
const PRIVATE_VERSION: u8 = 1;

fn private_to_bytes(private: &Private) -> Vec<u8> {
    let mut bytes = vec![PRIVATE_VERSION];
    bytes.extend_from_slice(&private.digest_key.0.to_be_bytes());
    bytes.extend_from_slice(private.key.as_bytes());
    if let Some(secret) = &private.secret {
        bytes.extend_from_slice(secret.as_bytes());
    }
    bytes
}

pub(crate) fn private_from_bytes(bytes: &[u8]) -> Option<Private> {
    let (&version, rest) = bytes.split_first()?;
    let (digest_key, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_first_chunk::<32>()?;
    let secret = match rest {
        [] => None,
        secret => Some(CredentialDigest::from_bytes(secret.try_into().ok()?)),
    };
    (version == PRIVATE_VERSION).then_some(Private {
        digest_key: DigestKeyId(u32::from_be_bytes(*digest_key)),
        key: CredentialDigest::from_bytes(*key),
        secret,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_private_part_reads_back() {
        for secret in [None, Some(CredentialDigest::from_bytes([9; 32]))] {
            let private =
                Private { digest_key: DigestKeyId(7), key: CredentialDigest::from_bytes([8; 32]), secret };
            let bytes = private_to_bytes(&private);
            assert_eq!(private_from_bytes(&bytes), Some(private));
            assert_eq!(private_from_bytes(&bytes[..bytes.len() - 1]), None);
            assert_eq!(private_from_bytes(&[&[2], &bytes[1..]].concat()), None, "another version");
        }
    }

    #[test]
    fn columns_do_not_run_into_each_other() {
        let of = |texts: [Option<&str>; 2]| {
            let mut hash = Columnwise(Sha256::new());
            texts.into_iter().for_each(|text| hash.optional_text(text));
            hash.0.finalize()
        };
        assert_ne!(of([Some("ab"), Some("c")]), of([Some("a"), Some("bc")]));
        assert_ne!(of([Some(""), None]), of([None, Some("")]));
    }
}
