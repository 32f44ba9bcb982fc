//! The text of a list's query, put together from what the program wrote, with its values beside it.

use claviger_domain::scope::Scope;
use claviger_domain::text::folded;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::{Alternative, Between, ListQuery, Listed, PlaceColumns, Selection, Visible};
use crate::statements::{Fragment, renumbered};
use crate::value::{IntoValue, Value};

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
        self.sql.push_str(&renumbered(fragment.0, |number| format!("${}", taken + number)));
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
    pub(crate) fn and_visible(
        &mut self,
        visible: &Visible,
        places: &[PlaceColumns],
        also: &[(&'static str, Value)],
    ) {
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
    pub(super) fn selected(&mut self, selection: &Selection) {
        for (index, (fragment, values)) in selection.queries.iter().enumerate() {
            self.text(if index == 0 { "" } else { " UNION ALL " });
            self.fragment(*fragment, values.clone());
        }
    }

    /// Has the rows of a source with few of them found before anything else, whatever a planner thinks of it.
    pub(super) fn found_first<T: Listed>(&mut self, source: &Source<'_>) {
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
    pub(super) fn ordered<F, S>(&mut self, query: &ListQuery<F, S>, sort: &'static str, id: &'static str) {
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

/// Where a page's rows are looked for.
pub(super) enum Source<'a> {
    All,
    Selected(&'a Selection),
    Few(&'a Alternative),
}

impl<'a> From<Option<&'a Selection>> for Source<'a> {
    fn from(selection: Option<&'a Selection>) -> Self {
        selection.map_or(Self::All, Self::Selected)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::id::OrganizationId;

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
