//! The log on the wire.

use claviger_domain::event::{ActorRef, Event as Domain};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One line of the log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    pub id: String,
    /// 1 for the first, without gaps, in the order of commits.
    pub position: i64,
    #[schema(format = DateTime)]
    pub at: String,
    /// `noun.past_participle`.
    #[schema(example = "key_set.suspended")]
    pub kind: String,
    pub actor: Actor,
    pub subject: Subject,
    /// The address that the request came from.
    pub from: Option<String>,
    pub reason: Option<String>,
    /// The values after the change.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// SHA-256 of the row, in hex; the next row carries it.
    pub hash: String,
    pub previous_hash: String,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// `system`, `member` or `service_key`.
    pub kind: String,
    pub id: Option<String>,
    /// The name that the actor had then.
    pub name: String,
}

/// The thing that changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    pub kind: String,
    pub id: String,
}

/// Where the chain stands, to compare with what was noted before.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    pub epoch: i64,
    pub position: i64,
    /// Of the newest row, in hex.
    pub head_hash: String,
}

impl From<&ActorRef> for Actor {
    fn from(actor: &ActorRef) -> Self {
        Self { kind: actor.kind.as_str().to_owned(), id: actor.id.clone(), name: actor.name.clone() }
    }
}

impl Event {
    pub fn new(recorded: &Domain) -> Result<Self, serde_json::Error> {
        let event = &recorded.event;
        let subject = event.body.subject();
        let mut body = serde_json::to_value(&event.body)?;
        Ok(Self {
            id: event.id.to_string(),
            position: recorded.position.0,
            at: event.at.to_string(),
            kind: event.body.kind().to_owned(),
            actor: (&event.actor).into(),
            subject: Subject { kind: subject.kind().to_owned(), id: subject.id() },
            from: event.source.clone(),
            reason: event.reason.as_ref().map(ToString::to_string),
            data: body.get_mut("data").map(serde_json::Value::take).unwrap_or_default(),
            hash: hex(&recorded.hash),
            previous_hash: hex(&recorded.previous_hash),
        })
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
