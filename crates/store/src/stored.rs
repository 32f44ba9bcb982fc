//! A noun with rows: loaded, changed by the domain's `apply`, and written back.

use std::future::Future;

use claviger_domain::aggregate::Aggregate;
use claviger_domain::event::NewEvent;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::Statement;
use crate::value::{IntoValue, values};

/// How a noun is kept. Called by the one match that applies events, and by nothing else.
pub(crate) trait Stored: Aggregate + Clone + PartialEq + Send + Sync {
    type Id: Copy + Send + Sync;

    /// The noun as it stands: `None` if it never was or was deleted.
    fn load(
        reader: &mut Reader,
        id: Self::Id,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;

    fn insert(
        &self,
        reader: &mut Reader,
        event: &NewEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn update(
        &self,
        before: &Self,
        reader: &mut Reader,
        event: &NewEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Hides what was deleted; its rows stay, so that its id is never used again.
    fn hide(
        &self,
        reader: &mut Reader,
        event: &NewEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Loads the noun, lets the domain apply the event, and writes what changed.
pub(crate) async fn apply<N: Stored>(
    reader: &mut Reader,
    id: N::Id,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let before = N::load(reader, id).await?;
    let after = N::apply(before.clone(), event.at, &event.body)?;
    match (before, after) {
        (None, Some(after)) => after.insert(reader, event).await?,
        (Some(before), Some(after)) if before != after => after.update(&before, reader, event).await?,
        (Some(before), None) => before.hide(reader, event).await?,
        _ => {}
    }
    // A name that is taken is told to whoever appended it, not at the end to all.
    reader.flush().await
}

/// Writes a noun's side table anew: one row for each of `others`.
pub(crate) async fn replace_links<T>(
    reader: &mut Reader,
    [delete, insert]: [Statement; 2],
    owner: impl IntoValue + Copy + Send,
    others: Vec<T>,
) -> Result<(), StoreError>
where
    T: IntoValue + Send,
{
    reader.write(delete, values![owner]).await?;
    insert_links(reader, insert, owner, others).await
}

/// Writes a noun's side table for the first time.
pub(crate) async fn insert_links<T>(
    reader: &mut Reader,
    insert: Statement,
    owner: impl IntoValue + Copy + Send,
    others: Vec<T>,
) -> Result<(), StoreError>
where
    T: IntoValue + Send,
{
    for other in others {
        reader.write(insert, values![owner, other]).await?;
    }
    Ok(())
}
