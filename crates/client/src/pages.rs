//! Lists, page by page.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Client, Error};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(default)]
    pub next_cursor: Option<String>,
    #[serde(default)]
    pub previous_cursor: Option<String>,
    /// How many there are, if that was asked for and is known exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many there are at least, if they are too many to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_at_least: Option<u64>,
}

/// The pages of a list, fetched one after the other as they are asked for.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    Cursor(String),
    End,
}

impl Pages {
    pub(crate) const fn new(client: Client, path: String, query: Vec<(String, String)>) -> Self {
        Self { client, path, query, next: Next::First }
    }

    /// The next page; none after the last.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Page<T>>, Error> {
        let call = self.client.get(&self.path).query(&self.query);
        let call = match &self.next {
            Next::First => call,
            Next::Cursor(cursor) => call.query(&[("cursor", cursor)]),
            Next::End => return Ok(None),
        };
        let page: Page<T> = call.send().await?.body;
        self.next = match &page.next_cursor {
            Some(cursor) => Next::Cursor(cursor.clone()),
            None => Next::End,
        };
        Ok(Some(page))
    }

    /// All items of all pages.
    pub async fn all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page.items);
        }
        Ok(items)
    }
}
