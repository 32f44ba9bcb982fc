//! The narrow role: what a data node that was taken can do in the database (security.md 2).

use std::collections::BTreeSet;

use claviger_domain::event::{DECIDING_KINDS, EventBody};

use super::installation::Installation;

/// What the role may do, and nothing else.
const READ: [&str; 3] = ["data_node_head", "data_node_log", "data_node_rows"];
const INSERT: [&str; 2] = ["node_reports", "usage_batches"];

#[test]
fn a_data_nodes_role_reads_its_views_and_adds_its_reports_and_nothing_else() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let owner = |sql: &str| scene.database.ask_as(scene.database.url(), sql).unwrap();
    let tables = owner(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'p') AND relnamespace = 'public'::regnamespace",
    );
    let tables: Vec<&str> = tables.lines().collect();
    assert!(tables.len() > 25, "{tables:?}");
    let asked = |sql: &str| scene.database.ask_as(&node.url, sql);
    for table in &tables {
        let read = asked(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(read.is_ok(), READ.contains(table), "read {table}: {read:?}");
        let columns = owner(&format!(
            "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
        ));
        let insert =
            asked(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE false"));
        // Its own table can't be read back, so the statement above is refused there too.
        assert!(insert.is_err(), "insert into {table}");
        for sql in [
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("UPDATE {table} SET {} = NULL", columns.split(',').next().unwrap()),
            format!("DROP {} {table}", if READ.contains(table) { "VIEW" } else { "TABLE" }),
        ] {
            assert!(asked(&sql).is_err(), "{sql}");
        }
    }
    for table in INSERT {
        let rest = if table == "node_reports" { "1, 1" } else { "1, 1, '{}'" };
        let sql = format!("INSERT INTO {table} VALUES ('{}', {rest})", node.id);
        assert_eq!(asked(&sql), Ok(String::new()), "{sql}");
    }
    let other = scene.database.create_role("other").0;
    let grant = asked(&format!("SELECT claviger_grant_data_node('{other}')"));
    assert!(grant.unwrap_err().contains("permission denied"));
    assert!(asked("CREATE TABLE mine (a INT)").is_err());
    assert!(asked(&format!("SET ROLE {}", "postgres")).is_err(), "{}", node.role);
}

#[test]
fn the_views_hold_nothing_sealed_and_no_digest_of_who_acts() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    let owner = |sql: &str| scene.database.ask_as(scene.database.url(), sql).unwrap();
    let seen = |view: &str| scene.database.ask_as(&node.url, &format!("SELECT * FROM {view}")).unwrap();
    let all = READ.map(seen).join("\n");
    let hidden = [
        "SELECT encode(key_digest, 'hex') FROM service_keys",
        "SELECT encode(private, 'hex') FROM log WHERE kind = 'service_key.created'",
        "SELECT encode(digest, 'hex') FROM node_tokens",
        "SELECT encode(bytes, 'hex') FROM sealed",
        "SELECT email FROM members",
        "SELECT actor_id FROM log WHERE actor_kind <> 'system'",
    ];
    for sql in hidden {
        for value in owner(sql).lines().filter(|value| !value.is_empty()) {
            assert!(!all.contains(value), "{sql}: {value}");
        }
    }
    let issued = owner("SELECT encode(private, 'hex') FROM log WHERE kind = 'key.issued'");
    assert!(!issued.is_empty() && issued.lines().all(|private| all.contains(private)), "what deciding needs");
    assert!(!scene.key.is_empty() && !all.contains(&scene.key));
}

#[test]
fn the_view_of_the_log_tells_the_kinds_that_deciding_looks_at_and_no_others() {
    let scene = Installation::new();
    let owner = |sql: &str| scene.database.ask_as(scene.database.url(), sql).unwrap();
    // Each kind that there is, put to the view's own list.
    let view = owner("SELECT pg_get_viewdef('data_node_log'::regclass)");
    let (_, list) = view.split_once("ANY (ARRAY[").unwrap_or_else(|| panic!("no list of kinds: {view}"));
    let list = list.split(']').next().unwrap();
    let all: Vec<String> = EventBody::KINDS.iter().map(|kind| format!("('{kind}')")).collect();
    let told = owner(&format!(
        "SELECT kind FROM (VALUES {}) AS kinds (kind) WHERE kind = ANY (ARRAY[{list}])",
        all.join(", ")
    ));
    let told: BTreeSet<&str> = told.lines().collect();
    assert_eq!(told, DECIDING_KINDS.iter().copied().collect());
    assert_eq!(list.split(',').count(), told.len(), "and no kind that there is not: {list}");
}
