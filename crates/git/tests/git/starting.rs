//! What an engine finds when it starts.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use claviger_egress::{Egress, Rules};
use claviger_git::{Engine, Limits};

use crate::support::*;

#[test]
fn what_a_killed_process_started_is_ended_before_its_folder_goes() {
    let base = tempfile::tempdir().expect("a folder");
    let common = base.path().join("jobs");
    let folder = common.join("7/1");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).expect("a folder");
    fs::write(common.join("7.claim"), "").expect("a file");
    // It says which process it leaves behind, and is killed.
    let mut parent = Command::new("sh");
    parent.args(["-c", "sleep 600 >/dev/null & echo $!; kill -KILL $$"]).current_dir(&folder);
    let said = parent.stderr(Stdio::null()).output().expect("a shell");
    assert!(!said.status.success());
    let orphan = String::from_utf8(said.stdout).expect("text");
    let place = Path::new("/proc").join(orphan.trim()).join("cwd");
    assert_eq!(fs::read_link(&place).expect("it runs"), fs::canonicalize(&folder).expect("a path"));
    let egress = Egress::new(Rules::default());
    let engine = Engine::new(common.clone(), programs(), egress, Limits::default()).expect("an engine");
    assert!(fs::read_link(&place).is_err(), "it is gone");
    assert!(!common.join("7").exists() && !common.join("7.claim").exists());
    drop(engine);
}
