//! Rows that a transaction still has to write. They wait until something is read or the transaction ends, and then go
//! together: one statement for all of them where each costs a round trip.

use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use crate::statements::{Statement, renumbered};
use crate::value::{Column, Value, add};

/// Rows of one statement, which names one table and says what is done with one row.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) statement: Statement,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Write {
    pub(crate) fn of(statement: Statement, rows: Vec<Vec<Value>>) -> Self {
        Self { statement, rows }
    }

    /// The table that it changes.
    fn table(&self) -> &'static str {
        let words = &mut self.statement.sql.split_ascii_whitespace();
        let of_insert_or_delete = words.next() != Some("UPDATE");
        words.nth(usize::from(of_insert_or_delete)).unwrap_or_default()
    }

    /// Whether one statement can do this with the new row, too: it may touch each row of the table once only.
    fn admits(&self, statement: Statement, row: &[Value]) -> bool {
        let only_adds = statement.sql.starts_with("INSERT") && !statement.sql.contains(" DO UPDATE ");
        self.statement.sql == statement.sql
            && (only_adds || self.rows.iter().all(|other| other.first() != row.first()))
    }
}

/// What waits, in its order.
#[derive(Debug, Default)]
pub(crate) struct Writes(Vec<Write>);

impl Writes {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.0.iter().map(|write| write.rows.len()).sum()
    }

    pub(crate) fn push(&mut self, statement: Statement, row: Vec<Value>) {
        debug_assert_eq!(misshapen(statement.sql), None, "{}", statement.sql);
        match self.0.last_mut().filter(|last| last.admits(statement, &row)) {
            Some(last) => last.rows.push(row),
            None => self.0.push(Write::of(statement, vec![row])),
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.0)
    }
}

/// The writes in groups that one statement each may do: its parts see the tables as they were before all of them, so
/// that no two may change the same one.
pub(crate) fn groups(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let mut groups: Vec<Vec<Write>> = Vec::new();
    for write in writes.into_iter().filter(|write| !write.rows.is_empty()) {
        match groups.last_mut() {
            Some(group) if group.iter().all(|other| other.table() != write.table()) => group.push(write),
            _ => groups.push(vec![write]),
        }
    }
    groups
}

/// One statement of PostgreSQL that does all of a group, with its parameters.
pub(crate) fn together(group: Vec<Write>) -> Result<(SqlStr, PgArguments), sqlx::error::BoxDynError> {
    let (mut sql, mut arguments, mut taken) = (String::new(), PgArguments::default(), 0);
    let last = group.len().saturating_sub(1);
    for (number, write) in group.into_iter().enumerate() {
        let width = write.rows.first().map_or(0, Vec::len);
        let part = part(write, taken, &mut arguments)?;
        taken += width;
        if number < last {
            let begins = if number == 0 { "WITH" } else { "," };
            sql.push_str(&format!("{begins} part_{number} AS ({part})"));
        } else {
            let separator = if number == 0 { "" } else { " " };
            sql.push_str(&format!("{separator}{part}"));
        }
    }
    // The program's own text, and numbers.
    Ok((AssertSqlSafe(sql).into_sql_str(), arguments))
}

/// The text of one write, its parameters numbered behind those that are `taken` and added to them.
fn part(write: Write, taken: usize, arguments: &mut PgArguments) -> Result<String, sqlx::error::BoxDynError> {
    if write.rows.len() == 1 {
        write.rows.into_iter().flatten().try_for_each(|value| add(arguments, value))?;
        return Ok(renumbered(write.statement.sql, |number| format!("${}", taken + number)));
    }
    let columns = Column::all_of(write.rows)?;
    let text = for_columns(write.statement, taken, &columns);
    columns.into_iter().try_for_each(|column| column.add_to(arguments))?;
    Ok(text)
}

/// Why a statement can't wait for others and be made one for many rows, if it can't. What makes it that goes by the
/// text, so that the text has to be plain: an `INSERT` of all its parameters in their order, an `UPDATE` or `DELETE` of
/// the row that the first parameter names.
pub(crate) fn misshapen(sql: &str) -> Option<&'static str> {
    if sql.contains(" RETURNING ") {
        return Some("nobody reads what it returns");
    }
    if sql.starts_with("INSERT") {
        return misshapen_insert(sql);
    }
    let Some((change, condition)) = sql.split_once(" WHERE ") else {
        return Some("it has no condition");
    };
    let words: Vec<&str> = change.split_ascii_whitespace().collect();
    let is_update = matches!(words.as_slice(), ["UPDATE", _, "SET", ..]);
    let is_delete = matches!(words.as_slice(), ["DELETE", "FROM", _]);
    match () {
        () if !is_update && !is_delete => Some("it is no plain change of one table"),
        () if change.contains(" FROM ") && is_update => Some("it reads another table"),
        () if condition.contains(" WHERE ") => Some("it has two conditions"),
        () if !condition.split(" AND ").any(|part| part.ends_with("= $1")) => {
            Some("its first parameter does not name the row")
        }
        () => None,
    }
}

fn misshapen_insert(sql: &str) -> Option<&'static str> {
    let Some((head, rest)) = sql.split_once(" VALUES (") else { return Some("it inserts no values") };
    let (values, rest) = rest.split_once(')').unwrap_or((rest, ""));
    let in_order = values.split(", ").enumerate().all(|(at, value)| value == format!("${}", at + 1));
    let named = head.split_once(" (").map_or(0, |(_, columns)| columns.split(", ").count());
    match () {
        () if !in_order => Some("its values are not its parameters in their order"),
        () if named != values.split(", ").count() => Some("its values are not as many as its columns"),
        () if !rest.is_empty() && !rest.starts_with(" ON CONFLICT") => Some("something follows its values"),
        () if rest.contains('$') => Some("a parameter stands behind its values"),
        () => None,
    }
}

/// The text of a statement for one row, made one for as many rows as the arrays have that stand for its parameters:
/// one text for any number.
fn for_columns(statement: Statement, taken: usize, columns: &[Column]) -> String {
    debug_assert_eq!(misshapen(statement.sql), None, "{}", statement.sql);
    let array = |(index, column): (usize, &Column)| {
        format!("unnest(${}::{}[]) AS c{}", taken + index + 1, column.kind(), index + 1)
    };
    let arrays: Vec<String> = columns.iter().enumerate().map(array).collect();
    let many = format!("(SELECT {}) AS many", arrays.join(", "));
    let text = renumbered(statement.sql, |number| format!("many.c{number}"));
    if let Some((insert, rest)) = text.split_once(" VALUES (") {
        let (values, rest) = rest.split_once(')').unwrap_or((rest, ""));
        return format!("{insert} SELECT {values} FROM {many}{rest}");
    }
    let (change, condition) = text.split_once(" WHERE ").unwrap_or((&text, "TRUE"));
    let joined = if change.starts_with("DELETE") { "USING" } else { "FROM" };
    format!("{change} {joined} {many} WHERE {condition}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::values;

    const fn statement(sql: &'static str) -> Statement {
        Statement { name: "ONE", sql }
    }

    const INSERT: Statement = statement("INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING");
    const UPDATE: Statement = statement("UPDATE u SET b = $2 WHERE a = $1");
    const DELETE: Statement = statement("DELETE FROM v WHERE a = $1");

    #[test]
    fn one_statement_writes_one_row_of_each_of_several_tables() {
        let writes = [(INSERT, values![1_i64, "b"]), (UPDATE, values![2_i64, "c"]), (DELETE, values![3_i64])];
        let writes = writes.map(|(statement, row)| Write::of(statement, vec![row]));
        let (sql, arguments) = together(writes.into()).unwrap();
        assert_eq!(
            sql.as_str(),
            "WITH part_0 AS (INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING), \
             part_1 AS (UPDATE u SET b = $4 WHERE a = $3) DELETE FROM v WHERE a = $5"
        );
        assert_eq!(sqlx::Arguments::len(&arguments), 5);
    }

    #[test]
    fn many_rows_are_arrays() {
        let rows = || vec![values![1_i64, "b"], values![2_i64, None::<String>]];
        let text = |write| together(vec![write]).unwrap().0;
        let many = "(SELECT unnest($1::BIGINT[]) AS c1, unnest($2::TEXT[]) AS c2) AS many";
        assert_eq!(
            text(Write::of(INSERT, rows())).as_str(),
            format!("INSERT INTO t (a, b) SELECT many.c1, many.c2 FROM {many} ON CONFLICT (a) DO NOTHING")
        );
        assert_eq!(
            text(Write::of(UPDATE, rows())).as_str(),
            format!("UPDATE u SET b = many.c2 FROM {many} WHERE a = many.c1")
        );
        assert_eq!(
            text(Write::of(DELETE, vec![values![1_i64], values![2_i64]])).as_str(),
            "DELETE FROM v USING (SELECT unnest($1::BIGINT[]) AS c1) AS many WHERE a = many.c1"
        );
    }

    #[test]
    fn what_would_be_misread_as_one_of_many_rows_is_told() {
        for good in [INSERT, UPDATE, DELETE] {
            assert_eq!(misshapen(good.sql), None, "{}", good.sql);
        }
        for bad in [
            "SELECT a FROM t WHERE a = $1",
            "INSERT INTO t (a, b) VALUES ($2, $1)",
            "INSERT INTO t (a, b) VALUES ($1, COALESCE($2, 'x'))",
            "INSERT INTO t (a, b) VALUES ($1, 7)",
            "INSERT INTO t (a, b, c) VALUES ($1, $2)",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = $2",
            "INSERT INTO t (a) VALUES ($1) RETURNING a",
            "INSERT INTO t (a) SELECT $1 WHERE $1 > 0",
            "UPDATE t SET a = $1",
            "UPDATE t SET a = (SELECT b FROM u) WHERE c = $1",
            "UPDATE t SET a = (SELECT b FROM u WHERE d = $2) WHERE c = $1",
            "UPDATE t SET a = $1 WHERE c = $2",
            "UPDATE t AS u SET a = $2 WHERE c = $1",
            "DELETE FROM t AS u WHERE c = $1",
            "DELETE FROM t WHERE c < $1",
        ] {
            assert!(misshapen(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_table_changes_once_in_a_statement_and_a_row_too() {
        let mut writes = Writes::default();
        writes.push(UPDATE, values![1_i64, "b"]);
        writes.push(UPDATE, values![2_i64, "b"]);
        writes.push(UPDATE, values![1_i64, "c"]);
        writes.push(INSERT, values![1_i64, "b"]);
        writes.push(INSERT, values![1_i64, "c"]);
        let groups = groups(writes.take());
        let rows: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|write| write.rows.len()).collect()).collect();
        assert_eq!(rows, [vec![2], vec![1, 2]]);
    }
}
