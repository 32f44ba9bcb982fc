//! Checking: what was changed behind the store's back is found.

use claviger_domain::event::{EventBody, Position};
use claviger_domain::key_sets::Facts;

use crate::world::{Place, World, append, event, fresh_key, later, name, with_private};

async fn lived(place: &Place) -> claviger_store::Store {
    let store = place.open().await;
    let world = World::make(&store).await;
    let set_id = world.open_set(&store, "Key", later("P1D")).await;
    world.subscribe(&store, &[set_id]).await;
    let set = store.read().await.unwrap().key_set(set_id).await.unwrap().unwrap();
    let (fresh, private) = fresh_key(later("P2D"));
    let bodies = set.regenerate(later("P2D"), &Facts::default(), fresh).unwrap();
    append(&store, with_private(bodies, later("P2D"), world.place(), [private])).await.unwrap();
    let body = EventBody::ApplicationUpdated { application_id: world.application_id, name: name("Store") };
    append(&store, [event(later("P3D"), world.place(), body)]).await.unwrap();
    store
}

pub(crate) async fn an_untouched_log_verifies(place: &Place) {
    let store = lived(place).await;
    let mut reader = store.read().await.unwrap();
    let report = reader.verify_chain().await.unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.head, reader.position().await.unwrap());
    assert_eq!(report.checked, report.head.0.unsigned_abs());
}

pub(crate) async fn a_changed_row_is_found(place: &Place) {
    let store = lived(place).await;
    let fault = async |sql: &'static str, back: &'static str| {
        place.tamper(sql).await;
        let found = store.read().await.unwrap().verify_chain().await.unwrap().fault;
        place.tamper(back).await;
        found.map(|fault| (fault.position, fault.why))
    };
    let hash = "its hash is not that of its columns";
    for (change, back) in [
        ("UPDATE log SET at = at + 1 WHERE position = 4", "UPDATE log SET at = at - 1 WHERE position = 4"),
        ("UPDATE log SET reason = '' WHERE position = 4", "UPDATE log SET reason = NULL WHERE position = 4"),
        (
            "UPDATE log SET source = 'x' || source WHERE position = 4",
            "UPDATE log SET source = substr(source, 2) WHERE position = 4",
        ),
    ] {
        assert_eq!(fault(change, back).await, Some((Position(4), hash)), "{change}");
    }
    let unlinked = fault(
        "UPDATE log SET position = 100 WHERE position = 5",
        "UPDATE log SET position = 5 WHERE position = 100",
    );
    assert_eq!(unlinked.await, Some((Position(5), "the row is missing")));
    assert_eq!(store.read().await.unwrap().verify_chain().await.unwrap().fault, None);
    let private =
        fault("UPDATE log SET private = key_digest FROM keys WHERE log.kind = 'key.issued'", "SELECT 1");
    assert_eq!(private.await.map(|(_, why)| why), Some(hash), "the private part is chained too");
}

pub(crate) async fn a_truncated_log_is_found(place: &Place) {
    let store = lived(place).await;
    let head = store.head().await.unwrap();
    place.tamper("DELETE FROM log WHERE position = (SELECT position FROM log_head)").await;
    let report = store.read().await.unwrap().verify_chain().await.unwrap();
    let fault = report.fault.expect("the end is missing");
    assert_eq!((fault.position, report.head), (head, head));
    // An attacker who moves the head as well has no hash for it.
    place.tamper("UPDATE log_head SET position = position - 1").await;
    let report = store.read().await.unwrap().verify_chain().await.unwrap();
    assert_eq!(report.fault.map(|fault| fault.why), Some("the head has another hash"));
}

pub(crate) async fn the_tables_follow_from_the_log(place: &Place) {
    let store = lived(place).await;
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None);
    assert_eq!(report.position, store.head().await.unwrap());
    assert!(report.rows >= 10, "{report:?}");
    for (change, table, why) in [
        ("UPDATE key_sets SET latest_expires_at = latest_expires_at + 1", "key_sets", "latest_expires_at"),
        (
            "DELETE FROM subscription_key_sets",
            "subscription_key_sets",
            "0 rows stand where the log leads to 1",
        ),
        (
            "INSERT INTO organizations (id, name, folded_name, kind, created_at) VALUES ('org_x', 'X', 'x', 'internal', 1)",
            "organizations",
            "the log does not lead to this row",
        ),
    ] {
        place.tamper(change).await;
        let fault = store.read().await.unwrap().verify_state().await.unwrap().fault.expect(change);
        assert!(fault.table == table && fault.why.contains(why), "{change}: {fault:?}");
        if table == "key_sets" {
            place.tamper("UPDATE key_sets SET latest_expires_at = latest_expires_at - 1").await;
        }
    }
}
