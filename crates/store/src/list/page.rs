//! From the question for a page to its rows: which way to them is short, the query, and the ways on and back.

use super::assembly::{Assembly, Source};
use super::{Alternative, COUNTED, Cursor, FEW, ListQuery, Listed, Page, Selection, SortValue, Total};
use crate::columns::{Columns, Row};
use crate::error::StoreError;
use crate::reader::Reader;

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
