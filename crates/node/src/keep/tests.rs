//! What counts as kept is on the disk, whole, and nothing else is.

use std::fs;

use claviger_domain::id::NodeId;
use claviger_domain::secret::{DigestKey, DigestKeyId};
use claviger_store::data_node::DecidingRow;
use tempfile::TempDir;

use super::*;
use crate::error::Refused;
use crate::snapshot::tests::{at, place};
use crate::snapshot::{Allowed, Identity, Rows};

struct Scene {
    folder: TempDir,
    snapshots: Snapshots,
    keeping: Keeping,
}

/// Rows are not what these tests are about.
struct Ignored;

impl Rows for Ignored {
    fn begin(&mut self, _: usize) {}

    fn row(&mut self, _: &DecidingRow) -> Result<(), Refused> {
        Ok(())
    }
}

fn line(position: i64) -> LogLine {
    LogLine {
        position: Position(position),
        version: 1,
        at: at(position),
        kind: "member.created".into(),
        data: None,
        private: None,
        hash: [position as u8; 32],
    }
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity { instance_id: "01k0db".into(), node_id: NodeId::from_bytes([1; 16]) };
        let key = DigestKey::new(DigestKeyId(1), &[7; 32]);
        let snapshots = Snapshots::new(folder.path().to_owned(), key, identity);
        let renewal = Mutex::new(Renewal::new(true));
        let state = Arc::new(State { kept: AtomicI64::new(0), renewal });
        let keeping = Keeping::new(snapshots.clone(), None, Position(0), state);
        Self { folder, snapshots, keeping }
    }

    /// The same with a base at 10 that is kept.
    fn kept() -> Self {
        let mut scene = Self::new();
        scene.base(10);
        assert_eq!(scene.seen(), (10, false));
        scene
    }

    fn base(&mut self, position: i64) {
        let base = self.snapshots.begin_base(place(position), 1).unwrap().end().unwrap();
        self.keeping.state.renewal.lock().began();
        self.keeping.take(Order::Base { base, contact: at(position), now: at(position) });
    }

    fn line(&mut self, line: LogLine) {
        self.lines(vec![line]);
    }

    fn lines(&mut self, lines: Vec<LogLine>) {
        let last = lines.last().unwrap();
        let place = Place { hash: last.hash, ..place(last.position.0) };
        self.keeping.take(Order::Lines { contact: last.at, lines, place });
    }

    /// Heard of the log at `position`, long after it was heard of before.
    fn contact(&mut self, position: i64) {
        let contact = self.keeping.marked.plus_seconds(MARK_EVERY_SECONDS);
        self.keeping.take(Order::Contact { place: place(position), contact });
    }

    /// Nothing takes the place of this file while `meanwhile` is done; what was there is there again then.
    fn without_place_for(&mut self, name: &str, meanwhile: impl FnOnce(&mut Self)) {
        let folder = self.folder.path().join("node");
        let (file, aside) = (folder.join(name), folder.join("aside"));
        fs::rename(&file, &aside).unwrap();
        fs::create_dir(&file).unwrap();
        meanwhile(self);
        fs::remove_dir(&file).unwrap();
        fs::rename(&aside, &file).unwrap();
    }

    /// What is kept, and whether there is trouble with it.
    fn seen(&self) -> (i64, bool) {
        (self.keeping.state.kept.load(Ordering::Relaxed), self.keeping.trouble)
    }

    fn wants_base(&self, seconds: i64) -> bool {
        self.keeping.state.renewal.lock().is_due(at(seconds))
    }

    /// The base and the lines that a start would go on from.
    fn read_back(&self) -> (i64, Vec<i64>) {
        let allowed = Allowed { now: at(100), max_staleness_seconds: 1_000 };
        let kept = self.snapshots.read(allowed, &mut Ignored).unwrap();
        (kept.base.position.0, kept.lines.iter().map(|line| line.position.0).collect())
    }
}

#[test]
fn a_base_that_could_not_be_written_is_a_trouble_until_one_is() {
    let mut scene = Scene::new();
    assert!(scene.wants_base(0));
    scene.keeping.take(Order::NoBase(io::Error::other("full")));
    assert_eq!(scene.seen(), (0, true));
    // Nothing of this is written.
    scene.contact(10);
    scene.line(line(11));
    scene.contact(11);
    assert_eq!(scene.seen(), (0, true));
    scene.base(10);
    assert_eq!(scene.seen(), (11, false));
    assert_eq!(scene.read_back(), (10, vec![11]));
    assert!(!scene.wants_base(1_000));
}

#[test]
fn after_a_line_that_the_journal_did_not_take_nothing_is_kept_before_a_new_base() {
    let mut scene = Scene::kept();
    scene.line(line(11));
    assert_eq!(scene.seen(), (11, false));
    // The journal takes no field that is as long.
    scene.line(LogLine { data: Some("x".repeat((8 << 20) + 1)), ..line(12) });
    assert_eq!(scene.seen(), (11, true));
    assert!(scene.wants_base(12));
    scene.contact(12);
    scene.line(line(13));
    assert_eq!(scene.seen(), (11, true), "neither was written");
    assert_eq!(scene.read_back(), (10, vec![11]));
    scene.base(12);
    assert_eq!(scene.seen(), (13, false));
    assert_eq!(scene.read_back(), (12, vec![13]));
}

#[test]
fn without_a_new_base_the_old_one_is_gone_on_with() {
    let mut scene = Scene::kept();
    scene.keeping.take(Order::NoBase(io::Error::other("full")));
    scene.line(line(11));
    assert_eq!(scene.seen(), (11, false));
    assert_eq!(scene.read_back(), (10, vec![11]));
}

#[test]
fn nothing_is_kept_behind_a_gap() {
    let mut scene = Scene::kept();
    scene.line(line(11));
    // All was loaded anew at 20, and the base of that was not kept.
    scene.line(line(21));
    assert_eq!(scene.seen(), (11, true));
    assert!(scene.wants_base(21));
    // One from before has neither what was passed over nor what came after.
    scene.base(15);
    assert_eq!(scene.seen(), (11, true));
    assert!(!scene.wants_base(19) && scene.wants_base(20), "the next one can wait");
    assert_eq!(scene.read_back(), (10, vec![11]));
    scene.base(20);
    assert_eq!(scene.seen(), (21, false));
    assert_eq!(scene.read_back(), (20, vec![21]));
    // The same, where nothing new was said since.
    scene.contact(30);
    assert_eq!(scene.seen(), (21, true));
    scene.base(30);
    assert_eq!(scene.seen(), (30, false));
    // And none goes back.
    scene.base(29);
    assert_eq!((scene.seen(), scene.read_back()), ((30, false), (30, vec![])));
}

#[test]
fn a_base_that_is_ahead_waits_for_the_lines_to_reach_it() {
    let mut scene = Scene::kept();
    scene.line(line(11));
    scene.base(14);
    assert_eq!(scene.seen(), (14, false));
    // What is followed meanwhile is in it already.
    scene.line(line(12));
    scene.contact(12);
    scene.lines(vec![line(13), line(14)]);
    assert_eq!(scene.seen(), (14, false));
    assert_eq!(scene.read_back(), (14, vec![]));
    // And goes on behind it, also where it reached in the middle of a step.
    scene.base(16);
    scene.lines(vec![line(15), line(16), line(17)]);
    scene.contact(17);
    assert_eq!(scene.seen(), (17, false));
    assert_eq!(scene.read_back(), (16, vec![17]));
    assert!(!scene.wants_base(1_000));
}

#[test]
fn after_a_base_that_may_have_taken_its_place_no_journal_is_gone_on_with() {
    let mut scene = Scene::kept();
    scene.line(line(11));
    scene.without_place_for("snapshot", |scene| {
        scene.base(11);
        assert_eq!(scene.seen(), (11, true));
    });
    assert!(scene.wants_base(16));
    // In the old journal, and marked, this would be missed beside the new base.
    scene.line(line(12));
    scene.contact(12);
    assert_eq!(scene.seen(), (11, true));
    assert_eq!(scene.read_back(), (10, vec![11]));
    scene.base(12);
    assert_eq!((scene.seen(), scene.read_back()), ((12, false), (12, vec![])));
}

#[test]
fn a_base_is_adopted_though_the_marker_could_not_be_written() {
    let mut scene = Scene::kept();
    scene.without_place_for("marker", |scene| {
        scene.base(20);
        assert_eq!(scene.seen(), (10, true));
    });
    assert!(!scene.wants_base(1_000), "it has taken its place");
    assert_eq!(scene.read_back(), (20, vec![]));
    scene.line(line(21));
    assert_eq!((scene.seen(), scene.read_back()), ((21, false), (20, vec![21])));
}
