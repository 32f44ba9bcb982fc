//! Many of a kind in one request, all or none: one transaction, and pointers that name the item
//! (surface.md, `POST /v1/{collection}/bulk`).

use std::sync::Arc;

use claviger_domain::refusal::{FieldError, Refusal};
use claviger_wire::bulk::{Bulk, MAX_ITEMS};
use futures::future::BoxFuture;

use crate::error::Error;
use crate::request::{Answer, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl<T: Answer> Answer for Bulk<T> {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        let items: Result<Vec<_>, _> = self.items.iter().map(Answer::without_secrets).collect();
        Ok(serde_json::json!({ "items": items? }))
    }

    fn has_secret(&self) -> bool {
        self.items.iter().any(Answer::has_secret)
    }
}

impl Service {
    /// Makes each item in one transaction. What refuses one refuses all, and names it.
    pub(crate) async fn write_bulk<'env, B, T, F>(
        &'env self,
        request: &'env Request,
        name: &'static str,
        bulk: &'env Bulk<B>,
        make: F,
    ) -> Result<Written<Bulk<T>>, Error>
    where
        B: Sync,
        T: Answer,
        F: for<'w, 'tx> Fn(&'w mut Write<'tx, 'env>, &'env B) -> BoxFuture<'w, Result<T, Error>>
            + Send
            + Sync
            + 'env,
    {
        check(bulk)?;
        let make = Arc::new(make);
        self.write(request, name, Status::Created, move |write| {
            let make = Arc::clone(&make);
            Box::pin(async move {
                let mut items = Vec::with_capacity(bulk.items.len());
                for (at, item) in bulk.items.iter().enumerate() {
                    items.push(make(write, item).await.map_err(|error| at_item(at, error))?);
                }
                Ok(Bulk { items })
            })
        })
        .await
    }
}

/// Refuses a body with none, or with too many.
pub(crate) fn check<T>(body: &Bulk<T>) -> Result<(), Refusal> {
    if body.items.is_empty() || body.items.len() > MAX_ITEMS {
        return Err(Refusal::invalid("/items", format!("must be a list of 1 to {MAX_ITEMS}")));
    }
    Ok(())
}

/// What was wrong with one item, told as wrong with the whole body.
pub(crate) fn at_item(at: usize, error: Error) -> Error {
    let below = |pointer: String| format!("/items/{at}{pointer}");
    match error {
        Error::Refused(Refusal::Invalid(errors)) => {
            let named = errors.into_iter().map(|error| FieldError::new(below(error.pointer), error.detail));
            Refusal::Invalid(named.collect()).into()
        }
        Error::Refused(Refusal::NameTaken { pointer }) => {
            Refusal::NameTaken { pointer: below(pointer) }.into()
        }
        Error::Refused(Refusal::LooksLikeASecret { pointer }) => {
            Refusal::LooksLikeASecret { pointer: below(pointer) }.into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_the_item() {
        let wrong = at_item(3, Refusal::invalid("/name", "too long").into());
        assert!(
            matches!(wrong, Error::Refused(Refusal::Invalid(errors)) if errors[0].pointer == "/items/3/name")
        );
        assert!(check(&Bulk { items: Vec::<()>::new() }).is_err());
        assert!(check(&Bulk { items: vec![(); MAX_ITEMS] }).is_ok());
        assert!(check(&Bulk { items: vec![(); MAX_ITEMS + 1] }).is_err());
    }
}
