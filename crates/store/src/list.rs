//! Lists: filters, sorting, cursors and counts, once for all nouns. A page begins after a row, not after a
//! number of rows, so that its time does not grow with the pages before it and nothing is shown twice.
//!
//! SQL is put together from text in the program alone; what callers give is always a parameter.

use claviger_domain::id::OrganizationId;
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::statements::Fragment;
use crate::value::{IntoValue, Value};

/// How far a count is exact.
const COUNTED: i64 = 10_000;
/// How many rows a selection finds at most to be worth putting in order. A list that goes through a million rows
/// meets fifty of so many after twenty-five thousand.
const FEW: i64 = 2_000;

/// One page of a list: which rows, in which order, from where.
#[derive(Debug, Clone)]
pub struct ListQuery<F, S> {
    pub limit: u32,
    pub sort: S,
    pub descending: bool,
    /// Where the page begins; None: at the beginning.
    pub cursor: Option<Cursor>,
    /// What the caller may see; nothing unless said.
    pub visible: Visible,
    pub filter: F,
    /// Whether the total is asked for.
    pub count: bool,
}

impl<F: Default, S: Default> Default for ListQuery<F, S> {
    fn default() -> Self {
        Self {
            limit: 50,
            sort: S::default(),
            descending: true,
            cursor: None,
            visible: Visible::default(),
            filter: F::default(),
            count: false,
        }
    }
}

impl<F, S> ListQuery<F, S> {
    /// Whether rows are read from the last to the first.
    fn downwards(&self) -> bool {
        let backward = self.cursor.as_ref().is_some_and(|cursor| cursor.backward);
        self.descending != backward
    }
}

/// The row beside which a page begins: its sort value and id. A page goes on from there, or, if `backward`,
/// ends there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    pub value: SortValue,
    pub id: String,
    pub backward: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    Integer(i64),
    Text(String),
}

impl IntoValue for &SortValue {
    const NONE: Value = Value::Text(None);

    fn into_value(self) -> Value {
        match self {
            SortValue::Integer(integer) => integer.into_value(),
            SortValue::Text(text) => text.into_value(),
        }
    }
}

impl IntoValue for &i64 {
    const NONE: Value = Value::Integer(None);

    fn into_value(self) -> Value {
        (*self).into_value()
    }
}

/// Rows in the order asked for, and the ways on and back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
    pub total: Option<Total>,
}

impl<T> Page<T> {
    /// The same page with other items, one for each row.
    pub fn with_items<U>(self, items: Vec<U>) -> Page<U> {
        Page { items, next: self.next, previous: self.previous, total: self.total }
    }

    /// The same page of something made from each row.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next: self.next,
            previous: self.previous,
            total: self.total,
        }
    }
}

/// How many rows there are, counted as far as is cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Exact(u64),
    AtLeast(u64),
}

/// Which rows the caller may see: those inside any of the scopes. By default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visible {
    pub scopes: Vec<Scope>,
    /// APIs alone: also those of these Organizations, whatever their Group.
    pub catalogs: Vec<OrganizationId>,
    /// APIs alone: also those with `visibility` `all`.
    pub public: bool,
}

impl Visible {
    /// All rows: for the system itself, and for those who may see everything.
    pub fn everything() -> Self {
        Self::within([Scope::EVERYTHING])
    }

    pub fn within(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), ..Self::default() }
    }
}

/// A range of instants: `after` includes, `before` excludes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between {
    pub after: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// The columns that say where a noun's rows stand. What a noun has no column for, no row of it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlaceColumns {
    pub(crate) organization: Option<&'static str>,
    pub(crate) group: Option<&'static str>,
    pub(crate) environment: Option<&'static str>,
}

impl PlaceColumns {
    /// Things that belong to the instance.
    pub(crate) const INSTANCE: Self = Self { organization: None, group: None, environment: None };
}

/// What a list is sorted by: an expression that is never NULL, with an index.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SortColumn {
    Integer(&'static str),
    Text(&'static str),
}

impl SortColumn {
    const fn sql(self) -> &'static str {
        match self {
            Self::Integer(sql) | Self::Text(sql) => sql,
        }
    }

    fn read(self, columns: &mut Columns<'_>) -> Result<SortValue, StoreError> {
        Ok(match self {
            Self::Integer(_) => SortValue::Integer(columns.integer()?),
            Self::Text(_) => SortValue::Text(columns.text()?.to_owned()),
        })
    }
}

/// A noun that is listed.
pub(crate) trait Listed: FromRow {
    type Filter: Sync;
    type Sort: Copy + Sync;

    /// The columns that [`FromRow`] reads.
    const COLUMNS: &'static str;
    /// The table, and the condition under which a row counts at all.
    const FROM: &'static str;
    /// The column that breaks ties.
    const ID: &'static str;
    /// A row is visible if any of these places is.
    const PLACES: &'static [PlaceColumns];

    fn sort_column(sort: Self::Sort) -> SortColumn;

    fn conditions(filter: &Self::Filter, query: &mut Assembly);

    /// Conditions of which no row meets two, and of which each must meet one; none given: all rows will do. Each
    /// has an index of its own, in the order of the list or with few rows.
    fn alternatives(_: &Self::Filter) -> Vec<Alternative> {
        Vec::new()
    }

    /// What may leave few rows of many, and has no index in the order of the list.
    fn selections(_: &Self::Filter, _: Dialect) -> Vec<Selection> {
        Vec::new()
    }

    /// Columns and values that make a row visible besides its places.
    fn also_visible(_: &Visible) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// One of the conditions of [`Listed::alternatives`].
#[derive(Debug, Clone)]
pub(crate) struct Alternative {
    pub(crate) condition: Fragment,
    pub(crate) values: Vec<Value>,
    /// Whether it mostly leaves a few rows, and has no index in the order of the list. Where they are few indeed,
    /// they are found first and put in order.
    pub(crate) few: bool,
}

/// Queries for ids, which together find every row that one condition of [`Listed::conditions`] leaves, and perhaps
/// others. Where they find few, the list is made from those; otherwise it goes through all rows in order, and soon
/// comes upon enough.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) queries: Vec<(Fragment, Vec<Value>)>,
    /// As [`Dialect::among`].
    pub(crate) among: [&'static str; 2],
}

mod assembly;
mod page;

pub(crate) use assembly::{Assembly, pattern};
#[cfg(test)]
pub(crate) use page::page_query;
