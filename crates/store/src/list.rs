//! Lists: filters, sorting, cursors and counts, once for all nouns. A page begins after a row, not after a
//! number of rows, so that its time does not grow with the pages before it and nothing is shown twice.
//!
//! SQL is put together from text in the program alone; what callers give is always a parameter.

use claviger_domain::id::OrganizationId;
use claviger_domain::scope::Scope;
use claviger_domain::text::folded;
use claviger_domain::time::Timestamp;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::columns::{Columns, FromRow, Row};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::reader::Reader;
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

/// A query being put together.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    sql: String,
    values: Vec<Value>,
}

impl Assembly {
    pub(crate) fn text(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
    }

    /// The next parameter.
    pub(crate) fn value(&mut self, value: impl IntoValue) {
        self.values.push(value.into_value());
        self.sql.push('$');
        self.sql.push_str(&self.values.len().to_string());
    }

    /// A registered fragment, its parameters renumbered behind those that are there.
    pub(crate) fn fragment(&mut self, fragment: Fragment, values: Vec<Value>) {
        let taken = self.values.len();
        let mut rest = fragment.0;
        while let Some((before, after)) = rest.split_once('$') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let number: usize = after[..digits].parse().unwrap_or_default();
            self.sql.push_str(before);
            self.sql.push('$');
            self.sql.push_str(&(taken + number).to_string());
            rest = &after[digits..];
        }
        self.sql.push_str(rest);
        self.values.extend(values);
    }

    pub(crate) fn and(&mut self, fragment: Fragment, values: Vec<Value>) {
        self.text(" AND ");
        self.fragment(fragment, values);
    }

    /// Any of the values will do; none given: all rows will.
    pub(crate) fn and_either<T>(&mut self, fragment: Fragment, values: impl IntoIterator<Item = T>)
    where
        T: IntoValue,
    {
        let alternatives = values.into_iter().map(|value| (fragment, vec![value.into_value()]));
        self.and_any(alternatives.collect());
    }

    /// Any of the alternatives will do; none given: all rows will.
    pub(crate) fn and_any(&mut self, alternatives: Vec<(Fragment, Vec<Value>)>) {
        let mut separator = " AND (";
        let any = !alternatives.is_empty();
        for (fragment, values) in alternatives {
            self.text(separator);
            self.fragment(fragment, values);
            separator = " OR ";
        }
        if any {
            self.text(")");
        }
    }

    /// A range; each bound has its fragment.
    pub(crate) fn and_between(&mut self, range: Between, from: Fragment, until: Fragment) {
        if let Some(after) = range.after {
            self.and(from, vec![after.into_value()]);
        }
        if let Some(before) = range.before {
            self.and(until, vec![before.into_value()]);
        }
    }

    /// Rows inside any scope at any of the places.
    fn and_visible(&mut self, visible: &Visible, places: &[PlaceColumns], also: &[(&'static str, Value)]) {
        let mut alternatives = Assembly::default();
        let mut any = false;
        for place in places {
            for scope in &visible.scopes {
                let Some(bounds) = bounds(scope, place) else { continue };
                if bounds.is_empty() {
                    return;
                }
                alternatives.text(if any { " OR (" } else { "(" });
                any = true;
                for (index, (column, id)) in bounds.into_iter().enumerate() {
                    alternatives.text(if index == 0 { "" } else { " AND " });
                    alternatives.equal(self.values.len(), column, id);
                }
                alternatives.text(")");
            }
        }
        for (column, value) in also {
            alternatives.text(if any { " OR " } else { "" });
            any = true;
            alternatives.equal(self.values.len(), column, value.clone());
        }
        self.text(" AND (");
        self.sql.push_str(if any { &alternatives.sql } else { "1 = 0" });
        self.text(")");
        self.values.append(&mut alternatives.values);
    }

    fn equal(&mut self, taken: usize, column: &'static str, value: Value) {
        self.text(column);
        self.values.push(value);
        self.sql.push_str(&format!(" = ${}", taken + self.values.len()));
    }

    /// The ids of a selection.
    fn selected(&mut self, selection: &Selection) {
        for (index, (fragment, values)) in selection.queries.iter().enumerate() {
            self.text(if index == 0 { "" } else { " UNION ALL " });
            self.fragment(*fragment, values.clone());
        }
    }

    /// Has the rows of a source with few of them found before anything else, whatever a planner thinks of it.
    fn found_first<T: Listed>(&mut self, source: &Source<'_>) {
        if matches!(source, Source::All) {
            return;
        }
        for text in ["WITH found AS MATERIALIZED (SELECT * FROM ", T::FROM, " AND "] {
            self.text(text);
        }
        match source {
            Source::All => {}
            Source::Few(alternative) => self.fragment(alternative.condition, alternative.values.clone()),
            Source::Selected(selection) => {
                self.text(T::ID);
                self.text(selection.among[0]);
                self.selected(selection);
                self.text(selection.among[1]);
            }
        }
        self.text(") ");
    }

    /// The order of a page, and one row more than it has, to know whether the list goes on.
    fn ordered<F, S>(&mut self, query: &ListQuery<F, S>, sort: &'static str, id: &'static str) {
        let direction = if query.downwards() { " DESC" } else { " ASC" };
        for text in [" ORDER BY ", sort, direction, ", ", id, direction, " LIMIT "] {
            self.text(text);
        }
        self.value(i64::from(query.limit) + 1);
    }

    /// Closes the query. All its text came from the program.
    pub(crate) fn finish(self) -> (sqlx::SqlStr, Vec<Value>) {
        (AssertSqlSafe(self.sql).into_sql_str(), self.values)
    }
}

/// What a row at `place` must equal to be inside `scope`; None: no row can be.
fn bounds(scope: &Scope, place: &PlaceColumns) -> Option<Vec<(&'static str, Value)>> {
    let mut bounds = Vec::new();
    let asked = [
        (scope.organization_id.map(IntoValue::into_value), place.organization),
        (scope.group_id.map(IntoValue::into_value), place.group),
        (scope.environment_id.map(IntoValue::into_value), place.environment),
    ];
    for (value, column) in asked {
        if let Some(value) = value {
            bounds.push((column?, value));
        }
    }
    Some(bounds)
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere, without case.
pub(crate) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in folded(text).chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Reader {
    /// One page of `T`.
    pub(crate) async fn list<T: Listed>(
        &mut self,
        query: &ListQuery<T::Filter, T::Sort>,
    ) -> Result<Page<T>, StoreError> {
        let selection = self.selection::<T>(&query.filter).await?;
        let alternatives = self.alternatives::<T>(&query.filter).await?;
        let rows = self.assembled(page_query::<T>(query, selection.as_ref(), alternatives)).await?;
        let mut page = read_page::<T>(query, rows)?;
        if query.count {
            let rows = self.assembled(count_query::<T>(query, selection.as_ref())).await?;
            let counted = match rows.first() {
                Some(row) => Columns::of(row, T::TABLE).integer()?,
                None => 0,
            };
            page.total = Some(match counted > COUNTED {
                true => Total::AtLeast(COUNTED.unsigned_abs()),
                false => Total::Exact(counted.unsigned_abs()),
            });
        }
        Ok(page)
    }

    /// The first selection that finds few rows.
    async fn selection<T: Listed>(&mut self, filter: &T::Filter) -> Result<Option<Selection>, StoreError> {
        for selection in T::selections(filter, self.connection.dialect()) {
            let mut query = Assembly::default();
            query.text("SELECT COUNT(*) FROM (SELECT 1 AS one FROM (");
            query.selected(&selection);
            query.text(") AS selected");
            if self.are_few::<T>(query).await? {
                return Ok(Some(selection));
            }
        }
        Ok(None)
    }

    /// The alternatives of a filter, each that says so with few rows indeed: many can be ended by the clock before
    /// the scheduler records it.
    async fn alternatives<T: Listed>(&mut self, filter: &T::Filter) -> Result<Vec<Alternative>, StoreError> {
        let mut alternatives = T::alternatives(filter);
        for alternative in alternatives.iter_mut().filter(|alternative| alternative.few) {
            let mut query = Assembly::default();
            for text in ["SELECT COUNT(*) FROM (SELECT 1 AS one FROM ", T::FROM, " AND "] {
                query.text(text);
            }
            query.fragment(alternative.condition, alternative.values.clone());
            alternative.few = self.are_few::<T>(query).await?;
        }
        Ok(alternatives)
    }

    /// Whether a count, which still has to be bounded and closed, finds few rows.
    async fn are_few<T: Listed>(&mut self, mut count: Assembly) -> Result<bool, StoreError> {
        count.text(" LIMIT ");
        count.value(FEW + 1);
        count.text(") AS counted");
        let rows = self.assembled(count).await?;
        let found = rows.first().map(|row| Columns::of(row, T::TABLE).integer()).transpose()?;
        Ok(found.is_some_and(|found| found <= FEW))
    }
}

pub(crate) fn page_query<T: Listed>(
    query: &ListQuery<T::Filter, T::Sort>,
    selection: Option<&Selection>,
    alternatives: Vec<Alternative>,
) -> Assembly {
    let mut assembly = Assembly::default();
    if selection.is_some() || alternatives.is_empty() {
        page_from::<T>(query, Source::from(selection), &alternatives, &mut assembly);
        return assembly;
    }
    // Each alternative has its own index to go by: the first rows of all are among the first rows of each.
    let mut separator = "SELECT * FROM (";
    for alternative in alternatives {
        assembly.text(separator);
        let source = if alternative.few { Source::Few(&alternative) } else { Source::All };
        page_from::<T>(query, source, std::slice::from_ref(&alternative), &mut assembly);
        assembly.text(") AS alternative");
        separator = " UNION ALL SELECT * FROM (";
    }
    assembly.ordered(query, "sorted", "tie");
    assembly
}

/// Where a page's rows are looked for.
enum Source<'a> {
    All,
    Selected(&'a Selection),
    Few(&'a Alternative),
}

impl<'a> From<Option<&'a Selection>> for Source<'a> {
    fn from(selection: Option<&'a Selection>) -> Self {
        selection.map_or(Self::All, Self::Selected)
    }
}

fn page_from<T: Listed>(
    query: &ListQuery<T::Filter, T::Sort>,
    source: Source<'_>,
    alternatives: &[Alternative],
    assembly: &mut Assembly,
) {
    let sort = T::sort_column(query.sort).sql();
    assembly.found_first::<T>(&source);
    for text in ["SELECT ", T::COLUMNS, ", ", sort, " AS sorted, ", T::ID, " AS tie"] {
        assembly.text(text);
    }
    conditions::<T>(query, &source, alternatives, assembly);
    if let Some(cursor) = &query.cursor {
        let beyond = if query.downwards() { ") < (" } else { ") > (" };
        for text in [" AND (", sort, ", ", T::ID, beyond] {
            assembly.text(text);
        }
        assembly.value(&cursor.value);
        assembly.text(", ");
        assembly.value(&cursor.id);
        assembly.text(")");
    }
    assembly.ordered(query, sort, T::ID);
}

fn count_query<T: Listed>(query: &ListQuery<T::Filter, T::Sort>, selection: Option<&Selection>) -> Assembly {
    let (source, mut assembly) = (Source::from(selection), Assembly::default());
    assembly.found_first::<T>(&source);
    assembly.text("SELECT COUNT(*) FROM (SELECT 1 AS one");
    conditions::<T>(query, &source, &T::alternatives(&query.filter), &mut assembly);
    assembly.text(" LIMIT ");
    assembly.value(COUNTED + 1);
    assembly.text(") AS counted");
    assembly
}

fn conditions<T: Listed>(
    query: &ListQuery<T::Filter, T::Sort>,
    source: &Source<'_>,
    alternatives: &[Alternative],
    assembly: &mut Assembly,
) {
    assembly.text(if matches!(source, Source::All) { " FROM " } else { " FROM found AS " });
    assembly.text(T::FROM);
    assembly.and_visible(&query.visible, T::PLACES, &T::also_visible(&query.visible));
    let alternatives = alternatives.iter().map(|it| (it.condition, it.values.clone()));
    assembly.and_any(alternatives.collect());
    T::conditions(&query.filter, assembly);
}

fn read_page<T: Listed>(
    query: &ListQuery<T::Filter, T::Sort>,
    mut rows: Vec<Row>,
) -> Result<Page<T>, StoreError> {
    let more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    let backward = query.cursor.as_ref().is_some_and(|cursor| cursor.backward);
    if backward {
        rows.reverse();
    }
    let sort = T::sort_column(query.sort);
    let mut items = Vec::with_capacity(rows.len());
    let mut edges = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row, T::TABLE);
        items.push(T::from_row(&mut columns)?);
        edges.push((sort.read(&mut columns)?, columns.text()?.to_owned()));
    }
    let cursor = |edge: Option<&(SortValue, String)>, backward| {
        edge.map(|(value, id)| Cursor { value: value.clone(), id: id.clone(), backward })
    };
    // Where the page came from, there is something; where it goes, there is if one more was found.
    let (further, back) = if backward { (true, more) } else { (more, query.cursor.is_some()) };
    Ok(Page {
        items,
        next: cursor(edges.last().filter(|_| further), false),
        previous: cursor(edges.first().filter(|_| back), true),
        total: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_renumbered() {
        let mut query = Assembly::default();
        query.value(1_i64);
        query.and(Fragment("a = $1 AND b = $2 AND c = $1"), vec![2_i64.into_value(), 3_i64.into_value()]);
        query.and_either(Fragment("d = $1"), [4_i64, 5]);
        assert_eq!(query.sql, "$1 AND a = $2 AND b = $3 AND c = $2 AND (d = $4 OR d = $5)");
        assert_eq!(query.values.len(), 5);
    }

    #[test]
    fn patterns_find_what_was_typed_and_nothing_else() {
        assert_eq!(pattern("Ab%_\\"), "%ab\\%\\_\\\\%");
    }

    #[test]
    fn who_sees_nothing_asks_for_nothing() {
        let columns = PlaceColumns { organization: Some("o"), group: None, environment: None };
        let in_group = Scope {
            organization_id: Some(OrganizationId::from_bytes([1; 16])),
            group_id: Some(claviger_domain::id::GroupId::from_bytes([1; 16])),
            environment_id: None,
        };
        for (visible, sql) in [
            (Visible::default(), " AND (1 = 0)"),
            (Visible::within([in_group]), " AND (1 = 0)"),
            (Visible::within([Scope { group_id: None, ..in_group }]), " AND ((o = $1))"),
            (Visible::everything(), ""),
            (Visible::within([in_group, Scope::EVERYTHING]), ""),
        ] {
            let mut query = Assembly::default();
            query.and_visible(&visible, &[columns], &[]);
            assert_eq!(query.sql, sql);
        }
    }
}
