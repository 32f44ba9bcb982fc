//! Statements that wait for others have a shape that one text for many rows can be made of (`crate::write`).

use super::STATEMENTS;
use crate::write::misshapen;

/// Those of another shape: each is run at once and alone.
const ALONE: &[&str] = &[
    "log::BEGIN",
    "instance::PUT",
    "jobs::INTERRUPT",
    "jobs::FORGET",
    "leases::TAKE",
    "nodes::ENROL",
    "nodes::TAKE",
    "nodes::FORGET",
    "usage::responses::CUT",
    "usage::retention::FORGET",
    "usage::retention::FORGET_RESPONSES",
    "usage::retention::FORGET_COUNTERS",
];

/// A statement that changes something is plain, or is known to be run alone; one that waits nevertheless is stopped where
/// tests first come by.
#[test]
fn what_changes_a_row_is_plain_or_run_alone() {
    let changes = |sql: &str| ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb));
    let all = STATEMENTS.iter().flat_map(|(module, statements)| {
        statements.iter().map(move |statement| (format!("{module}::{}", statement.name), statement.sql))
    });
    let changing: Vec<_> = all.filter(|(name, sql)| changes(sql) && !name.starts_with("tests::")).collect();
    let (alone, plain): (Vec<_>, Vec<_>) =
        changing.into_iter().partition(|(_, sql)| misshapen(sql).is_some());
    let alone: Vec<_> = alone.iter().map(|(name, sql)| (name.as_str(), misshapen(sql))).collect();
    let names: Vec<&str> = alone.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ALONE, "{alone:#?}");
    assert!(plain.len() > 60, "{} are plain", plain.len());
}
