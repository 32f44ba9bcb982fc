//! Groups: names unique in their Organization, seen by all of it, kept while something uses them.

use claviger_domain::refusal::Refusal;
use serde_json::json;

use crate::world::{World, body, fresh};

on_both_databases!(names_are_unique_in_the_organization);

async fn names_are_unique_in_the_organization(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.group_create(&request, &body(json!({"name": " École "}))).await);
    assert_eq!(made.name, "École");
    let again = body(json!({"name": "E\u{301}COLE"}));
    let refusal = world.refused(world.service.group_create(&request, &again)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/name".into() });
}
