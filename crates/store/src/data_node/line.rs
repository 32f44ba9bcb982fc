//! A line of the log as a data node is told of it.

use claviger_domain::event::{DECIDING_KINDS, DecidingEvent, EVENT_VERSION, EventBody, Position};
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::log::row::private_from_bytes;

/// One line of the view `data_node_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub position: Position,
    pub version: i64,
    pub at: Timestamp,
    pub kind: String,
    /// Left out of kinds that deciding does not look at.
    pub data: Option<String>,
    pub private: Option<Vec<u8>>,
    pub hash: [u8; 32],
}

impl LogLine {
    /// The event that the line tells of. One of a later version, or of a kind unknown here, stops its reader, and so
    /// does one that deciding needs and was not told.
    pub fn event(&self) -> Result<DecidingEvent, StoreError> {
        let wrong = |what: &str| {
            StoreError::corrupt(
                "data_node_log",
                format!("position {}: {what} can't be read", self.position.0),
            )
        };
        if !(1..=EVENT_VERSION).contains(&self.version) {
            return Err(wrong(&format!("version {}", self.version)));
        }
        if !EventBody::KINDS.contains(&self.kind.as_str()) {
            return Err(wrong(&format!("the kind {}", self.kind)));
        }
        let content = match &self.data {
            None if DECIDING_KINDS.contains(&self.kind.as_str()) => {
                return Err(wrong("the body, which is missing,"));
            }
            None => None,
            Some(data) => {
                let body = format!("{{\"kind\":{:?},\"data\":{data}}}", self.kind);
                let body =
                    serde_json::from_str(&body).map_err(|error| wrong(&format!("the body ({error})")))?;
                let private = match &self.private {
                    Some(bytes) => Some(private_from_bytes(bytes).ok_or_else(|| wrong("the private part"))?),
                    None => None,
                };
                Some((body, private))
            }
        };
        Ok(DecidingEvent { position: self.position, at: self.at, content })
    }
}

impl FromRow for LogLine {
    const TABLE: &'static str = "data_node_log";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            position: columns.position()?,
            version: columns.integer()?,
            at: columns.instant()?,
            kind: columns.text()?.to_owned(),
            data: columns.optional_text()?.map(ToOwned::to_owned),
            private: columns.optional_bytes()?.map(ToOwned::to_owned),
            hash: columns.hash()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, version: i64, data: Option<&str>) -> LogLine {
        LogLine {
            position: Position(7),
            version,
            at: Timestamp::from_micros(1),
            kind: kind.to_owned(),
            data: data.map(ToOwned::to_owned),
            private: None,
            hash: [0; 32],
        }
    }

    #[test]
    fn what_is_not_understood_stops_its_reader() {
        let removed = r#"{"node_id":"nod_01jz0000000000000000000000"}"#;
        assert!(line("node.removed", 1, Some(removed)).event().is_ok());
        assert_eq!(line("member.created", 1, None).event().unwrap().content, None, "not looked at");
        for (unreadable, why) in [
            (line("node.removed", EVENT_VERSION + 1, Some(removed)), "version"),
            (line("node.melted", 1, None), "the kind node.melted"),
            (line("node.removed", 1, None), "missing"),
            (line("node.removed", 1, Some("{}")), "the body"),
            (
                LogLine { private: Some(vec![9]), ..line("node.removed", 1, Some(removed)) },
                "the private part",
            ),
        ] {
            let error = unreadable.event().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("position 7"), "{error}");
        }
    }
}
