//! What is kept reads back, and nothing else does.

use claviger_domain::secret::DigestKeyId;
use claviger_store::data_node::RowKind;
use tempfile::TempDir;

use super::*;

const MAX_STALENESS: i64 = 60;

struct Scene {
    folder: TempDir,
    snapshots: Snapshots,
}

/// Rows as they were handed out.
#[derive(Debug, Default)]
struct Taken(Vec<DecidingRow>, usize);

impl Rows for Taken {
    fn begin(&mut self, keys: usize) {
        self.1 = keys;
    }

    fn row(&mut self, row: &DecidingRow) -> Result<(), Refused> {
        self.0.push(row.clone());
        Ok(())
    }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

pub(crate) fn place(position: i64) -> Place {
    Place { epoch: 1, position: Position(position), hash: [position as u8; 32] }
}

fn line(position: i64) -> LogLine {
    LogLine {
        position: Position(position),
        version: 1,
        at: at(position),
        kind: "member.created".into(),
        data: (position % 2 == 0).then(|| "{}".into()),
        private: (position % 3 == 0).then(|| vec![1, 2, 3]),
        hash: [position as u8; 32],
    }
}

fn rows() -> Vec<DecidingRow> {
    let row = |kind, body: Option<&str>, first: Option<&[u8]>| DecidingRow {
        kind,
        body: body.map(Into::into),
        first: first.map(Into::into),
        second: None,
    };
    vec![
        row(RowKind::Environment, Some("{\"id\":\"é\"}"), None),
        row(RowKind::Key, None, Some(&[0, 255, 1])),
        row(RowKind::SharedKey, Some(""), Some(&[])),
    ]
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity { instance_id: "01k0db".into(), node_id: NodeId::from_bytes([1; 16]) };
        let key = DigestKey::new(DigestKeyId(1), &[7; 32]);
        let snapshots = Snapshots::new(folder.path().to_owned(), key, identity);
        Self { folder, snapshots }
    }

    /// A base at this position, and `lines` after it.
    fn keep(&self, position: i64, lines: &[LogLine]) -> Journal {
        let mut base = self.snapshots.begin_base(place(position), 1).unwrap();
        rows().iter().for_each(|row| base.row(row).unwrap());
        self.put_in_place(base.end().unwrap(), lines)
    }

    fn put_in_place(&self, base: Written, lines: &[LogLine]) -> Journal {
        self.snapshots.replace(self.snapshots.ready(base, lines).unwrap()).unwrap()
    }

    fn mark(&self, position: i64, seconds: i64) {
        self.snapshots.mark(&Marker { place: place(position), contact: at(seconds) }).unwrap();
    }

    fn read_at(&self, seconds: i64) -> Result<(Kept, Taken), Refused> {
        let mut taken = Taken::default();
        let allowed = Allowed { now: at(seconds), max_staleness_seconds: MAX_STALENESS };
        self.snapshots.read(allowed, &mut taken).map(|kept| (kept, taken))
    }

    fn refusal(&self) -> String {
        self.read_at(100).unwrap_err().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("node").join(name)
    }
}

#[test]
fn what_was_kept_reads_back_and_is_gone_on_with() {
    let scene = Scene::new();
    assert!(matches!(scene.read_at(100), Err(Refused::Missing)));
    let mut journal = scene.keep(10, &[line(11)]);
    journal.append(&[line(12), line(13)]).unwrap();
    scene.mark(13, 100);
    let (kept, taken) = scene.read_at(120).unwrap();
    assert_eq!((kept.base, kept.contact), (place(10), at(100)));
    assert_eq!(kept.lines, [line(11), line(12), line(13)]);
    assert_eq!((taken.0, taken.1), (rows(), 1));
    let mut journal = kept.journal;
    journal.append(&[line(14)]).unwrap();
    scene.mark(14, 120);
    assert_eq!(scene.read_at(120).unwrap().0.lines.last(), Some(&line(14)));
    // A newer base takes the place of all of it.
    drop(scene.keep(13, &[line(14)]));
    let (kept, _) = scene.read_at(120).unwrap();
    assert_eq!((kept.base, kept.lines), (place(13), vec![line(14)]));
    let journals = fs::read_dir(scene.file(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("journal-"));
    assert_eq!(journals.count(), 1, "the old journal is gone");
    scene.snapshots.remove().unwrap();
    assert_eq!(fs::read_dir(scene.file("")).unwrap().count(), 0);
}

#[test]
fn every_changed_byte_and_every_cut_is_noticed() {
    let scene = Scene::new();
    drop(scene.keep(10, &[line(11), line(12)]));
    scene.mark(12, 100);
    for name in ["snapshot", "marker", "journal-10"] {
        let whole = fs::read(scene.file(name)).unwrap();
        for byte in 0..whole.len() {
            let mut changed = whole.clone();
            changed[byte] ^= 0x10;
            fs::write(scene.file(name), changed).unwrap();
            assert!(scene.read_at(100).is_err(), "{name}: byte {byte}");
        }
        for length in 0..whole.len() {
            fs::write(scene.file(name), &whole[..length]).unwrap();
            assert!(scene.read_at(100).is_err(), "{name}: cut at {length}");
        }
        fs::write(scene.file(name), &whole).unwrap();
        assert!(scene.read_at(100).is_ok());
        if name != "journal-10" {
            fs::write(scene.file(name), [whole.as_slice(), &[0]].concat()).unwrap();
            assert!(scene.read_at(100).is_err(), "{name}: a byte more");
        }
        fs::write(scene.file(name), &whole).unwrap();
    }
}

#[test]
fn of_two_bases_at_once_the_second_is_refused_and_the_first_stays_whole() {
    let scene = Scene::new();
    let mut base = scene.snapshots.begin_base(place(10), 1).unwrap();
    let refused = scene.snapshots.clone().begin_base(place(20), 1).map(drop).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
    rows().iter().for_each(|row| base.row(row).unwrap());
    let written = base.end().unwrap();
    assert!(scene.snapshots.begin_base(place(20), 1).is_err(), "it has not taken its place");
    drop(scene.put_in_place(written, &[]));
    scene.mark(10, 100);
    assert_eq!(scene.read_at(100).unwrap().1.0, rows());
    // One that is given up is in nobody's way.
    drop(scene.snapshots.begin_base(place(20), 1).unwrap());
    drop(scene.snapshots.begin_base(place(20), 1).unwrap().end().unwrap());
    drop(scene.keep(20, &[]));
}

#[test]
fn a_line_that_a_crash_cut_off_and_nobody_marked_is_left_out() {
    let scene = Scene::new();
    drop(scene.keep(10, &[line(11), line(12)]));
    scene.mark(11, 100);
    let whole = fs::read(scene.file("journal-10")).unwrap();
    fs::write(scene.file("journal-10"), &whole[..whole.len() - 3]).unwrap();
    let (kept, _) = scene.read_at(100).unwrap();
    assert_eq!(kept.lines, [line(11)]);
    let mut journal = kept.journal;
    journal.append(&[line(12)]).unwrap();
    assert_eq!(fs::read(scene.file("journal-10")).unwrap(), whole, "written anew where it was cut");
}

#[test]
fn age_is_bounded_on_both_sides() {
    let scene = Scene::new();
    drop(scene.keep(10, &[]));
    scene.mark(10, 100);
    assert!(scene.read_at(100 + MAX_STALENESS).is_ok());
    assert!(matches!(scene.read_at(101 + MAX_STALENESS), Err(Refused::TooOld { age: 61, allowed: 60 })));
    assert!(matches!(scene.read_at(30), Err(Refused::FromTheFuture { seconds: 70 })));
}

#[test]
fn anothers_and_older_ones_are_told_apart() {
    let (scene, other) = (Scene::new(), Scene::new());
    drop(scene.keep(10, &[line(11)]));
    scene.mark(12, 100);
    let refused = scene.refusal();
    assert!(refused.contains("position 11") && refused.contains("at 12"), "{refused}");
    // The same keeper, enrolled in another database.
    let identity = Identity { instance_id: "another".into(), ..scene.snapshots.identity.clone() };
    let elsewhere = Snapshots { identity, ..scene.snapshots.clone() };
    let allowed = Allowed { now: at(100), max_staleness_seconds: MAX_STALENESS };
    assert!(matches!(elsewhere.read(allowed, &mut Taken::default()), Err(Refused::Foreign)));
    // Another keeper.
    let foreign = Snapshots { key: DigestKey::new(DigestKeyId(1), &[8; 32]), ..other.snapshots.clone() };
    fs::create_dir_all(other.file("")).unwrap();
    for name in ["snapshot", "marker", "journal-10"] {
        fs::copy(scene.file(name), other.file(name)).unwrap();
    }
    let refused = foreign.read(allowed, &mut Taken::default()).unwrap_err().to_string();
    assert!(refused.contains("made by another node"), "{refused}");
}
