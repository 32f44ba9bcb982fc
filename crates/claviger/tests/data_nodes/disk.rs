//! A disk that takes nothing: the node decides, shows as behind, and says so (docs/data-nodes.md).

use std::fs;

use super::installation::Installation;

#[test]
fn a_node_that_cannot_write_its_snapshot_decides_and_shows_as_behind_until_it_can() {
    let scene = Installation::new();
    let node = scene.enrol("edge");
    // It stands where the snapshot is written before it takes its place.
    let obstacle = node.claviger.data_folder().join("node/snapshot.new");
    fs::create_dir_all(&obstacle).unwrap();
    let server = node.claviger.gateway();
    let kept = || scene.metric(&server, "claviger_snapshot_kept");
    scene.wait_until("told", || kept() == Some(0.0));
    assert_eq!(scene.ask(&server).0, 200);
    scene.act("suspend");
    scene.wait_until("suspended", || scene.ask(&server).1 == "suspended");
    assert_eq!(kept(), Some(0.0));
    assert_eq!(scene.get(&format!("/v1/nodes/{}", node.id))["status"], "behind");
    fs::remove_dir(&obstacle).unwrap();
    scene.wait_until("kept", || kept() == Some(1.0));
    scene.wait_until_in_sync(&node);
    // Nothing that it heard meanwhile was taken for kept.
    let (_, log) = server.stop();
    for once in ["the snapshot can't be kept", "the snapshot is kept again"] {
        assert_eq!(log.matches(once).count(), 1, "{once}: {log}");
    }
}
