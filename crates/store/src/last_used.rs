//! When Keys and service keys were last good: marks beside the log, written in batches (product.md E6).

use std::collections::HashMap;

use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::list::Assembly;
use crate::reader::{Reader, read_all};
use crate::statements::{fragments, statements};
use crate::value::values;
use crate::write::Write;

statements! {
    // A mark only ever moves forward, whoever reports late.
    MARK = "INSERT INTO last_used (id, used_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET \
            used_at = excluded.used_at WHERE last_used.used_at < excluded.used_at";
    // Narrowed to the ids asked for.
    MARKS = "SELECT last_used.id, last_used.used_at FROM last_used WHERE 1 = 1";
}

fragments! {
    OF_ID = "last_used.id = $1";
}

struct Mark(String, Timestamp);

impl FromRow for Mark {
    const TABLE: &'static str = "last_used";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.text()?.to_owned(), columns.instant()?))
    }
}

impl Reader {
    /// The marks of those of the ids (of Keys or service keys) that were ever used.
    pub async fn last_used(&mut self, ids: &[String]) -> Result<HashMap<String, Timestamp>, StoreError> {
        let mut marks = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(500) {
            let mut query = Assembly::default();
            query.text(MARKS.sql);
            query.and_either(OF_ID, ids);
            let rows = self.assembled(query).await?;
            marks.extend(read_all::<Mark>(&rows)?.into_iter().map(|Mark(id, at)| (id, at)));
        }
        Ok(marks)
    }
}

impl Tx<'_> {
    /// Moves marks forward.
    pub async fn mark_used(&mut self, marks: &[(String, Timestamp)]) -> Result<(), StoreError> {
        // Each once: a statement may touch a row once only.
        let mut latest = HashMap::<&String, Timestamp>::with_capacity(marks.len());
        for (id, at) in marks {
            let mark = latest.entry(id).or_insert(*at);
            *mark = (*at).max(*mark);
        }
        let rows = latest.into_iter().map(|(id, at)| values![id, at]).collect();
        self.connection.write(vec![Write::of(MARK, rows)]).await
    }
}
