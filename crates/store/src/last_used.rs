//! When and from where credentials were last good: marks beside the log, written in batches (product.md E6).

use std::collections::HashMap;

use claviger_domain::usage::LastUse;

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
    MARK = "INSERT INTO last_used (id, used_at, source) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET \
            used_at = excluded.used_at, source = excluded.source WHERE last_used.used_at < excluded.used_at";
    // Narrowed to the ids asked for.
    MARKS = "SELECT last_used.id, last_used.used_at, last_used.source FROM last_used WHERE 1 = 1";
}

fragments! {
    OF_ID = "last_used.id = $1";
}

struct Mark(String, LastUse);

impl FromRow for Mark {
    const TABLE: &'static str = "last_used";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let (id, at) = (columns.text()?.to_owned(), columns.instant()?);
        let source =
            columns.optional_text()?.map(|text| text.parse().map_err(|error| columns.corrupt(error)));
        Ok(Self(id, LastUse { at, source: source.transpose()? }))
    }
}

impl Reader {
    /// The marks of those of the ids (of Keys, shared keys or service keys) that were ever used.
    pub async fn last_used(&mut self, ids: &[String]) -> Result<HashMap<String, LastUse>, StoreError> {
        let mut marks = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(500) {
            let mut query = Assembly::default();
            query.text(MARKS.sql);
            query.and_either(OF_ID, ids);
            let rows = self.assembled(query).await?;
            marks.extend(read_all::<Mark>(&rows)?.into_iter().map(|Mark(id, used)| (id, used)));
        }
        Ok(marks)
    }
}

impl Tx<'_> {
    /// Moves marks forward.
    pub async fn mark_used(&mut self, marks: &[(String, LastUse)]) -> Result<(), StoreError> {
        // Each once: a statement may touch a row once only.
        let mut latest = HashMap::<&String, LastUse>::with_capacity(marks.len());
        for (id, used) in marks {
            let mark = latest.entry(id).or_insert(*used);
            if mark.at < used.at {
                *mark = *used;
            }
        }
        let source = |used: LastUse| used.source.map(|source| source.to_string());
        let rows = latest.into_iter().map(|(id, used)| values![id, used.at, source(used)]).collect();
        self.connection.write(vec![Write::of(MARK, rows)]).await
    }
}
