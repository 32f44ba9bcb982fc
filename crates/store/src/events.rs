//! Reading the log: tailing it, telling a thing's story, and the lists of the audit trail.

use std::collections::HashMap;

use claviger_domain::event::{Event, Position};
use claviger_domain::id::{EventId, KeySetId};
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, Between, ListQuery, Listed, Page, PlaceColumns, SortColumn};
use crate::log::row;
use crate::reader::Reader;
use crate::statements::fragments;
use crate::value::{IntoValue, values};

fragments! {
    BY_ACTOR = "log.actor_id = $1";
    BY_SUBJECT = "log.subject_id = $1";
    BY_SUBJECT_KIND = "log.subject_kind = $1";
    BY_KIND = "log.kind = $1";
    FROM_TIME = "log.at >= $1";
    UNTIL_TIME = "log.at < $1";
    AFTER = "log.position > $1";
    UP_TO = "log.position <= $1";
}

/// Which events a list shows.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Ids of members and service keys.
    pub actors: Vec<String>,
    /// Ids of things.
    pub subjects: Vec<String>,
    /// Kinds of things, such as `key_set`.
    pub subject_kinds: Vec<String>,
    /// Kinds of events, such as `key_set.suspended`.
    pub kinds: Vec<String>,
    pub at: Between,
    /// Only events after this position.
    pub after: Option<Position>,
    /// Only events up to this position, itself included.
    pub up_to: Option<Position>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventSort {
    #[default]
    Position,
}

impl Listed for Event {
    type Filter = EventFilter;
    type Sort = EventSort;
    const COLUMNS: &'static str = row::COLUMNS;
    const FROM: &'static str = "log WHERE 1 = 1";
    const ID: &'static str = "log.id";
    const PLACES: &'static [PlaceColumns] = &[
        PlaceColumns {
            organization: Some("log.organization_id"),
            group: Some("log.group_id"),
            environment: Some("log.environment_id"),
        },
        PlaceColumns {
            organization: Some("log.counterpart_organization_id"),
            group: Some("log.counterpart_group_id"),
            environment: Some("log.counterpart_environment_id"),
        },
    ];

    fn sort_column(_: EventSort) -> SortColumn {
        SortColumn::Integer("log.position")
    }

    fn conditions(filter: &EventFilter, query: &mut Assembly) {
        query.and_either(BY_ACTOR, &filter.actors);
        query.and_either(BY_SUBJECT, &filter.subjects);
        query.and_either(BY_SUBJECT_KIND, &filter.subject_kinds);
        query.and_either(BY_KIND, &filter.kinds);
        query.and_between(filter.at, FROM_TIME, UNTIL_TIME);
        if let Some(position) = filter.after {
            query.and(AFTER, values![position]);
        }
        if let Some(position) = filter.up_to {
            query.and(UP_TO, values![position]);
        }
    }
}

/// A thing's id, and where in the log it changed last.
struct LastChange(String, Position);

impl FromRow for LastChange {
    const TABLE: &'static str = "log";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.text()?.to_owned(), columns.position()?))
    }
}

impl Reader {
    /// The events after `position`, in their order: how every consumer tails the log.
    pub async fn events_after(&mut self, position: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.all(row::AFTER, values![position, limit]).await
    }

    pub async fn event(&mut self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.optional(row::BY_ID, values![id]).await
    }

    /// All that ever happened to one thing, by its id.
    pub async fn events_of(&mut self, subject_id: &str) -> Result<Vec<Event>, StoreError> {
        self.all(row::OF_SUBJECT, values![subject_id]).await
    }

    /// The events of a Key Set: what its timeline is made from.
    pub async fn events_of_key_set(&mut self, id: KeySetId) -> Result<Vec<Event>, StoreError> {
        self.events_of(&id.to_string()).await
    }

    /// When and at which position the last event happened to one thing: the version of it that an `ETag`
    /// names.
    pub async fn last_change_of(
        &mut self,
        subject_id: &str,
    ) -> Result<Option<(Position, Timestamp)>, StoreError> {
        let row = self.row(row::LAST_OF_SUBJECT, values![subject_id]).await?;
        row.map(|row| {
            let mut columns = Columns::of(&row, "log");
            Ok((columns.position()?, columns.instant()?))
        })
        .transpose()
    }

    /// At which position the last event happened to each of many things.
    pub async fn last_changes_of(
        &mut self,
        subject_ids: Vec<String>,
    ) -> Result<HashMap<String, Position>, StoreError> {
        let ids = subject_ids.into_iter().map(IntoValue::into_value).collect();
        let changes: Vec<LastChange> = self.all_among(row::LAST_OF_SUBJECTS, values![], ids).await?;
        Ok(changes.into_iter().map(|LastChange(id, position)| (id, position)).collect())
    }

    /// One page of the audit trail; an event about what two sides share is visible to either.
    pub async fn events(
        &mut self,
        query: &ListQuery<EventFilter, EventSort>,
    ) -> Result<Page<Event>, StoreError> {
        self.list(query).await
    }
}
