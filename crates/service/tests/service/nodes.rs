//! Nodes: what each reports of itself, and when it counts as behind or gone.

use std::time::Duration;

use claviger_domain::id::NodeId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::nodes::Node;
use serde_json::json;

use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, query};

on_both_databases!(
    in_sync_behind_and_gone,
    only_one_that_is_gone_is_forgotten,
    a_data_node_is_removed_in_any_state,
    a_load_that_fails_half_way_leaves_nothing_unknown,
);

impl World {
    async fn node(&self, number: u8) -> Node {
        let id = NodeId::from_bytes([number; 16]);
        self.service.node_read(&self.owner.request(), id).await.expect("a node").body
    }
}

async fn in_sync_behind_and_gone(world: World) {
    let other = world.another_node(2).await;
    world.service.report_node().await.expect("reported");
    other.report_node().await.expect("reported");
    let node = world.node(2).await;
    assert_eq!(
        (node.name.as_str(), node.kind.as_str(), node.status.as_str()),
        ("node-2", "control", "in_sync")
    );
    assert_eq!((node.position, node.behind_seconds), (world.events().await, 0));
    // One writes and reports, the other has not looked yet.
    let create = body(json!({"name": "Team"}));
    fresh(world.service.group_create(&world.owner.request(), &create).await);
    world.set_time(world.now().plus_seconds(3));
    world.service.report_node().await.expect("reported");
    let (first, second) = (world.node(1).await, world.node(2).await);
    assert_eq!((first.status.as_str(), first.position), ("in_sync", world.events().await));
    assert_eq!((second.status.as_str(), second.behind_seconds), ("behind", 3));
    other.follow().await.expect("followed");
    other.report_node().await.expect("reported");
    assert_eq!(world.node(2).await.status, "in_sync");
    world.set_time(world.now().plus_seconds(31));
    world.service.report_node().await.expect("reported");
    assert_eq!(
        (world.node(1).await.status.as_str(), world.node(2).await.status.as_str()),
        ("in_sync", "gone")
    );
    let listed =
        world.service.node_list(&world.owner.request(), &query("/v1/nodes", &[("q", "NODE-2")])).await;
    assert_eq!(listed.expect("a page").items.len(), 1);
}

async fn only_one_that_is_gone_is_forgotten(world: World) {
    world.another_node(2).await.report_node().await.expect("reported");
    let (id, never) = (NodeId::from_bytes([2; 16]), NodeId::from_bytes([9; 16]));
    let request = world.owner.request();
    let refusal = world.refused(world.service.node_delete(&request, id)).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "in_sync" | "behind", act: "delete", .. }));
    assert_eq!(world.refused(world.service.node_delete(&request, never)).await, Refusal::NotFound);
    world.set_time(world.now().plus_seconds(31));
    let here = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let refusal = world.refused(world.service.node_delete(&here.request(), id)).await;
    assert_eq!(refusal, forbidden(Permission::NodesDelete));
    let blind = world.actor(&[Permission::NodesDelete], everywhere()).await;
    assert_eq!(world.refused(world.service.node_delete(&blind.request(), id)).await, Refusal::NotFound);
    world.service.node_delete(&request, id).await.expect("forgotten");
    assert_eq!(world.refused(world.service.node_read(&request, id)).await, Refusal::NotFound);
}

/// What decides and what signs in are loaded together: after a load that failed between them, both go on from
/// where they were.
async fn a_load_that_fails_half_way_leaves_nothing_unknown(world: World) {
    let other = world.another_node(2).await;
    let before = other.follow().await.expect("followed");
    let key = world.actor(&[Permission::VerifyCall], everywhere()).await;
    world.tamper("ALTER TABLE permission_groups RENAME TO hidden_groups").await;
    assert!(other.load().await.is_err());
    world.tamper("ALTER TABLE hidden_groups RENAME TO permission_groups").await;
    let signed_in = |value: &str| other.control().authenticate(value, None, world.now()).is_ok();
    assert!(!signed_in(&key.value), "not heard of yet");
    let reached = other.follow().await.expect("followed");
    assert!(reached > before);
    assert_eq!(reached.0, world.events().await);
    assert!(signed_in(&key.value));
    other.load().await.expect("the next load is whole");
    assert!(signed_in(&key.value));
}

/// What is committed while an answer is waited for is not in it: the log was heard of when it was asked for, not later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contact_counts_from_when_the_log_was_asked_for() {
    use sqlx::{Connection as _, Executor as _, PgConnection};
    let world = World::on_postgres().await;
    let mut writer = PgConnection::connect(world.database_url()).await.expect("a database");
    let mut observer = PgConnection::connect(world.database_url()).await.expect("a database");
    writer.execute("BEGIN; LOCK TABLE log").await.expect("locked");
    let asked = world.now();
    let service = world.service.clone();
    let following = tokio::spawn(async move { service.follow().await });
    let waits =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while observer.fetch_optional(waits).await.expect("an answer").is_none() {
        assert!(!following.is_finished(), "it did not wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.set_time(asked.plus_seconds(4));
    writer.execute("COMMIT").await.expect("let go");
    following.await.expect("no panic").expect("followed");
    for standing in
        [world.service.index().standing(world.now()), world.service.control().standing(world.now())]
    {
        assert_eq!(standing.last_contact, asked);
    }
}

/// The enrolment of a data node ends when it is removed, however lively it is.
async fn a_data_node_is_removed_in_any_state(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.node_enroll(&request, &body(json!({"name": "edge"}))).await);
    let token = made.token.expect("told once");
    let join = body(json!({"token": token, "public_key": "09".repeat(32)}));
    let joined = world.service.node_join(None, &join).await.expect("enrolled");
    assert_eq!((&joined.id, joined.name.as_str()), (&made.id, "edge"));
    assert!(world.service.node_join(None, &join).await.is_err(), "it was used");
    let id: NodeId = made.id.parse().expect("an id");
    let node = world.service.node_read(&request, id).await.expect("a node").body;
    assert_eq!((node.kind.as_str(), node.status.as_str(), node.position), ("data", "behind", 0));
    world.service.node_delete(&request, id).await.expect("ended");
    assert_eq!(world.refused(world.service.node_read(&request, id)).await, Refusal::NotFound);
    // One that is too old, one that is malformed, one for whom this may not be made.
    let late = fresh(world.service.node_enroll(&request, &body(json!({"name": "late"}))).await);
    world.set_time(world.now().plus_seconds(3_601));
    let late = body(json!({"token": late.token, "public_key": "09".repeat(32)}));
    assert!(world.service.node_join(None, &late).await.is_err(), "it is too old");
    let wrong = body(json!({"token": token, "public_key": "nonsense"}));
    let refusal = world.refused(world.service.node_join(None, &wrong)).await;
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
    let here = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let enroll = body(json!({"name": "edge"}));
    let refusal = world.refused(world.service.node_enroll(&here.request(), &enroll)).await;
    assert_eq!(refusal, forbidden(Permission::NodesEnroll));
}
