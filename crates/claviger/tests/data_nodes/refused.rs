//! Snapshots that a node does not start from: changed, another node's, an older one put back, cut short.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_testkit::DataNode;

use super::installation::Installation;

struct Scene {
    installation: Installation,
    node: DataNode,
    other: DataNode,
    /// The other node's files.
    foreign: Vec<(PathBuf, Vec<u8>)>,
}

fn files(node: &DataNode) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = node.claviger.data_folder().join("node");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("enrolment.json"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn named<'a>(files: &'a [(PathBuf, Vec<u8>)], name: &str) -> &'a (PathBuf, Vec<u8>) {
    let is_it = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(name);
    files.iter().find(|(path, _)| is_it(path)).unwrap()
}

impl Scene {
    /// Two nodes that kept something and were ended; their database is away.
    fn new() -> Self {
        let mut installation = Installation::on_its_own_postgres();
        let (node, other) = (installation.enrol("edge"), installation.enrol("other"));
        for node in [&node, &other] {
            let server = node.claviger.gateway();
            installation.wait_until_in_sync(node);
            assert_eq!(installation.ask(&server).0, 200);
            let (status, log) = server.stop();
            assert!(status.success(), "{log}");
        }
        installation.postgres.as_mut().unwrap().stop_immediately();
        let foreign = files(&other);
        Self { installation, node, other, foreign }
    }

    /// With these files the node decides nothing, and says why.
    #[track_caller]
    fn demand_refused(&self, why: &str) {
        let mut server = self.node.claviger.gateway_unready();
        server.wait_for_log(why);
        let (status, code) = self.installation.ask(&server);
        assert!(status != 200 && code != "valid", "{status} {code}");
        server.kill();
    }

    fn put(&self, files: &[(PathBuf, Vec<u8>)]) {
        let folder = self.node.claviger.data_folder().join("node");
        for (path, bytes) in files {
            fs::write(folder.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

#[test]
fn f5_a_snapshot_that_was_changed_or_is_anothers_is_refused() {
    let scene = Scene::new();
    let own = files(&scene.node);
    for (path, _) in &own {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let (snapshot, bytes) = named(&own, "snapshot");
    let mut changed = bytes.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(snapshot, &changed).unwrap();
    scene.demand_refused("the snapshot was changed, or was made by another node");
    fs::write(snapshot, &bytes[..bytes.len() - 40]).unwrap();
    scene.demand_refused("the snapshot is cut short");
    let mut newer = bytes.clone();
    newer[11] = 9;
    fs::write(snapshot, &newer).unwrap();
    scene.demand_refused("the snapshot has the form 9");
    scene.put(&own);
    let (marker, bytes) = named(&own, "marker");
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(marker, &changed).unwrap();
    scene.demand_refused("the marker was changed, or was made by another node");
    fs::remove_file(marker).unwrap();
    scene.demand_refused("there is no snapshot");
    scene.put(&scene.foreign);
    scene.demand_refused("was made by another node");
    // The files as they were are good.
    scene.put(&own);
    let mut server = scene.node.claviger.gateway();
    server.wait_for_log("started from the snapshot");
    assert_eq!(scene.installation.ask(&server).0, 200);
    drop(scene.other);
}

#[test]
fn f5_an_older_snapshot_put_back_beside_a_newer_marker_is_refused() {
    let mut installation = Installation::on_its_own_postgres();
    let node = installation.enrol("edge");
    let server = node.claviger.gateway();
    installation.wait_until_in_sync(&node);
    let older = files(&node);
    installation.act("revoke");
    installation.wait_until("revoked", || installation.ask(&server).1 == "revoked");
    installation.wait_until_in_sync(&node);
    server.stop();
    installation.postgres.as_mut().unwrap().stop_immediately();
    for name in ["snapshot", "journal"] {
        let (path, bytes) = named(&older, name);
        fs::write(path, bytes).unwrap();
    }
    let mut server = node.claviger.gateway_unready();
    server.wait_for_log("it is an older one");
    let (status, code) = installation.ask(&server);
    assert!(status != 200, "{code}");
}
