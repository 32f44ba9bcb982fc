//! What stands beside the log: records, leases, marks, reports.

use claviger_domain::event::{EventBody, Position};
use claviger_domain::id::NodeId;
use claviger_domain::scope::Place as Where;
use claviger_domain::usage::LastUse;
use claviger_store::{
    Begun, IdempotencyScope, Instance, ListQuery, NodeFilter, NodeKind, NodeReport, NodeSort, Store,
    StoreError, StoredAnswer, Visible,
};

use crate::world::{Place, append, event, id, later, start};

async fn begin(store: &Store, scope: &IdempotencyScope, body: u8, now: &str) -> Begun {
    let now = later(now);
    let begun = store.commit("test", |tx| {
        Box::pin(async move {
            let running_until = now.plus_seconds(60);
            let expires_at = now.plus_seconds(86_400);
            let begun = tx.begin_idempotent(scope, [body; 32], now, running_until, expires_at).await?;
            Ok::<_, StoreError>(begun)
        })
    });
    begun.await.unwrap().0
}

pub(crate) async fn idempotency_records_are_answered_again(place: &Place) {
    let store = place.open().await;
    let scope = &IdempotencyScope {
        caller: "svk_1".into(),
        method: "POST".into(),
        path: "/v1/apis".into(),
        key: "k".into(),
    };
    let other = &IdempotencyScope { caller: "svk_2".into(), ..scope.clone() };
    assert_eq!(begin(&store, scope, 1, "PT0S").await, Begun::New);
    assert_eq!(begin(&store, scope, 1, "PT1S").await, Begun::Running);
    assert_eq!(begin(&store, scope, 2, "PT1S").await, Begun::OtherBody);
    assert_eq!(begin(&store, other, 2, "PT1S").await, Begun::New, "bound to the caller");
    assert_eq!(begin(&store, scope, 1, "PT61S").await, Begun::New, "whoever ran it died");
    let answer = &StoredAnswer {
        status: 201,
        headers: vec![("location".into(), "/v1/apis/api_1".into())],
        body: "{}".into(),
    };
    let finished =
        store.commit("test", |tx| Box::pin(async move { tx.finish_idempotent(scope, answer).await }));
    finished.await.unwrap();
    assert_eq!(begin(&store, scope, 1, "PT2M").await, Begun::Replay(answer.clone()));
    assert_eq!(begin(&store, scope, 1, "P2D").await, Begun::New, "forgotten after its time");
    let expired =
        store.commit("test", |tx| Box::pin(async move { tx.expire_idempotent(later("P1DT2S")).await })).await;
    assert_eq!(expired.unwrap().0, 1, "the other caller's");
    store.commit("test", |tx| Box::pin(async move { tx.forget_idempotent(scope).await })).await.unwrap();
    assert_eq!(begin(&store, scope, 9, "P2D").await, Begun::New);
}

pub(crate) async fn leases_have_one_holder(place: &Place) {
    let store = place.open().await;
    let take = async |holder: &'static str, now: &str, until: &str| {
        let (now, until) = (later(now), later(until));
        let taken = store.commit("test", |tx| {
            Box::pin(async move { tx.take_lease("scheduler", holder, now, until).await })
        });
        taken.await.unwrap().0
    };
    assert!(take("a", "PT0S", "PT10S").await);
    assert!(!take("b", "PT1S", "PT11S").await);
    assert!(take("a", "PT5S", "PT15S").await, "the holder prolongs it");
    assert!(!take("b", "PT11S", "PT21S").await);
    assert!(take("b", "PT15S", "PT25S").await, "it ran out");
    let back = store.commit("test", |tx| Box::pin(async move { tx.give_back_lease("scheduler", "a").await }));
    back.await.unwrap();
    assert!(!take("a", "PT16S", "PT26S").await, "only the holder gives it back");
}

pub(crate) async fn last_used_only_moves_forward(place: &Place) {
    let store = place.open().await;
    let mark = async |marks: Vec<(&'static str, &'static str)>| {
        let used = |at| LastUse { at: later(at), source: format!("192.0.2.{}", at.len()).parse().ok() };
        let marks: Vec<_> = marks.into_iter().map(|(id, at)| (id.to_owned(), used(at))).collect();
        let marks = &marks;
        let marked = store.commit("test", |tx| Box::pin(async move { tx.mark_used(marks).await }));
        let (_, position) = marked.await.unwrap();
        assert_eq!(position, Position(0), "marks are no events");
    };
    mark(vec![("key_1", "PT5M"), ("key_2", "PT1M")]).await;
    mark(vec![("key_1", "PT120S"), ("key_2", "PT9M"), ("key_2", "PT3M")]).await;
    let ids = ["key_1", "key_2", "key_3"].map(ToOwned::to_owned);
    let marks = store.read().await.unwrap().last_used(&ids).await.unwrap();
    assert_eq!(marks.len(), 2);
    assert_eq!((marks["key_1"].at, marks["key_2"].at), (later("PT5M"), later("PT9M")));
    assert_eq!(marks["key_1"].source, "192.0.2.4".parse().ok(), "of the use that is kept");
}

async fn report(store: &Store, node_id: NodeId, kind: NodeKind, position: i64, now: &str) {
    let now = later(now);
    let report = &NodeReport { id: node_id, name: "node-1".into(), kind, position: Position(position) };
    let reported = store.commit("test", |tx| Box::pin(async move { tx.report_node(report, now).await }));
    reported.await.unwrap();
}

pub(crate) async fn nodes_report_and_are_removed(place: &Place) {
    let store = place.open().await;
    let node_id: NodeId = id();
    report(&store, node_id, NodeKind::Control, 3, "PT0S").await;
    report(&store, node_id, NodeKind::Control, 5, "PT1S").await;
    let node = store.read().await.unwrap().node(node_id).await.unwrap().unwrap();
    assert_eq!(
        (node.report.position, node.created_at, node.last_seen_at),
        (Position(5), start(), later("PT1S"))
    );
    let query: ListQuery<NodeFilter, NodeSort> =
        ListQuery { visible: Visible::everything(), ..ListQuery::default() };
    assert_eq!(store.read().await.unwrap().nodes(&query).await.unwrap().items, [node]);
}

pub(crate) async fn a_removed_node_shows_again_once_it_reports(place: &Place) {
    let store = place.open().await;
    let (control, data): (NodeId, NodeId) = (id(), id());
    let all = async || -> Vec<(NodeId, Position)> {
        let nodes = store.read().await.unwrap().all_nodes().await.unwrap();
        nodes.into_iter().map(|node| (node.report.id, node.report.position)).collect()
    };
    for (node_id, kind) in [(control, NodeKind::Control), (data, NodeKind::Data)] {
        report(&store, node_id, kind, 3, "PT0S").await;
        append(&store, [event(start(), Where::INSTANCE, EventBody::NodeRemoved { node_id })]).await.unwrap();
        assert_eq!(all().await, [], "{kind:?}");
        assert_eq!(store.read().await.unwrap().node(node_id).await.unwrap(), None);
    }
    report(&store, data, NodeKind::Data, 6, "PT2S").await;
    assert_eq!(all().await, [], "a data node's enrolment ended");
    report(&store, control, NodeKind::Control, 6, "PT2S").await;
    assert_eq!(all().await, [(control, Position(6))]);
    append(&store, [event(start(), Where::INSTANCE, EventBody::NodeRemoved { node_id: control })])
        .await
        .unwrap();
    assert_eq!(all().await, [], "it can be removed again");
}

pub(crate) async fn the_instance_is_remembered(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.read().await.unwrap().instance().await.unwrap(), None);
    let instance = Instance {
        instance_id: "one".into(),
        epoch: 1,
        root_fingerprint: vec![7; 32],
        created_at: start(),
        initialised_at: None,
    };
    let initialised = Instance { initialised_at: Some(later("PT1M")), ..instance.clone() };
    for put in [&instance, &initialised] {
        let done = store.commit("test", |tx| Box::pin(async move { tx.put_instance(put).await }));
        done.await.unwrap();
        assert_eq!(store.read().await.unwrap().instance().await.unwrap().as_ref(), Some(put));
    }
}
