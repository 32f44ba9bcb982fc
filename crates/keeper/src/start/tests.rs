//! Starts: the first, the next, and each one that must not be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::ambient::Machine;
use crate::ambient::frozen::Frozen;

struct Folder {
    _temporary: tempfile::TempDir,
    layout: Layout,
}

impl Folder {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(temporary.path(), None);
        Self { _temporary: temporary, layout }
    }

    fn started() -> Self {
        let folder = Self::new();
        folder.start().expect("the first start");
        folder
    }

    fn start(&self) -> Result<Started, StartError> {
        start(&self.layout, AllCeilings::default(), &Machine)
    }

    /// Why it does not start, and that the explanation names the file.
    fn refused(&self, names: &Path) -> StartReason {
        let error = self.start().err().expect("no start");
        let text = error.to_string();
        assert!(text.contains(&names.display().to_string()), "{text}");
        error.reason()
    }
}

#[test]
fn the_first_start_makes_everything_and_the_next_finds_it() {
    let folder = Folder::new();
    let first = folder.start().expect("the first start");
    assert_eq!(first.warnings, Vec::<String>::new());
    let fingerprint = first.tree.fingerprint();
    drop(first);
    assert_eq!(folder.start().expect("the second start").tree.fingerprint(), fingerprint);
    assert_ne!(Folder::started().start().expect("a start").tree.fingerprint(), fingerprint);
    for path in [&folder.layout.master, &folder.layout.root, &folder.layout.journal] {
        assert_eq!(fs::metadata(path).expect("metadata").permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(fs::read(&folder.layout.master).expect("read").len(), 32);
}

#[test]
fn a_lost_master_key_is_explained_and_never_made_anew() {
    let folder = Folder::started();
    fs::remove_file(&folder.layout.master).expect("removed");
    assert_eq!(folder.refused(&folder.layout.master), StartReason::MasterKeyLost);
    assert!(!folder.layout.master.exists());
}

#[test]
fn a_wrong_master_key_is_told_from_damage() {
    let (folder, other) = (Folder::started(), Folder::started());
    let right = fs::read(&folder.layout.master).expect("read");
    fs::copy(&other.layout.master, &folder.layout.master).expect("copied");
    assert_eq!(folder.refused(&folder.layout.master), StartReason::MasterKeyWrong);
    fs::write(&folder.layout.master, &right[..31]).expect("written");
    assert_eq!(folder.refused(&folder.layout.master), StartReason::MasterKeyMalformed);
    fs::write(&folder.layout.master, &right).expect("written");
    let mut root = fs::read(&folder.layout.root).expect("read");
    *root.last_mut().expect("a byte") ^= 1;
    fs::write(&folder.layout.root, &root).expect("written");
    assert_eq!(folder.refused(&folder.layout.root), StartReason::RootDamaged);
    root[0] = 9;
    fs::write(&folder.layout.root, &root).expect("written");
    assert_eq!(folder.refused(&folder.layout.root), StartReason::RootUnknown);
}

#[test]
fn a_master_key_that_others_may_read_is_refused_with_the_remedy() {
    let folder = Folder::started();
    fs::set_permissions(&folder.layout.master, fs::Permissions::from_mode(0o644)).expect("set");
    let error = folder.start().err().expect("no start");
    assert_eq!(error.reason(), StartReason::MasterKeyExposed);
    assert!(error.to_string().contains(&format!("chmod 600 {}", folder.layout.master.display())));
    fs::set_permissions(&folder.layout.master, fs::Permissions::from_mode(0o400)).expect("set");
    folder.start().expect("its owner may read it, and that is enough");
}

#[test]
fn a_named_master_key_is_used_and_never_made() {
    let mut folder = Folder::new();
    let path = folder.layout.folder.with_file_name("elsewhere.key");
    folder.layout.master = path.clone();
    folder.layout.master_is_named = true;
    assert_eq!(folder.refused(&path), StartReason::MasterKeyNotFound);
    files::create(&path, &[7; 32]).expect("made");
    folder.start().expect("a start");
    assert!(!folder.layout.folder.with_file_name("master.key").exists());
}

#[test]
fn a_lost_root_and_a_lost_journal_are_noticed() {
    let folder = Folder::started();
    let aside = folder.layout.root.with_extension("aside");
    fs::rename(&folder.layout.root, &aside).expect("moved");
    assert_eq!(folder.refused(&folder.layout.root), StartReason::RootLost);
    fs::rename(&aside, &folder.layout.root).expect("moved back");
    folder.start().expect("a start");

    fs::remove_file(&folder.layout.journal).expect("removed");
    assert_eq!(folder.refused(&folder.layout.journal), StartReason::JournalLost);
    fs::write(&folder.layout.journal, b"").expect("written");
    let started = folder.start().expect("an operator said that it begins anew");
    assert!(started.warnings[0].contains("begins anew"), "{:?}", started.warnings);
}

#[test]
fn files_of_two_installations_do_not_mix() {
    let (folder, other) = (Folder::started(), Folder::started());
    fs::copy(&other.layout.journal, &folder.layout.journal).expect("copied");
    assert_eq!(folder.refused(&folder.layout.journal), StartReason::JournalForeign);
}

#[test]
fn an_edited_journal_is_refused_and_a_torn_one_mended() {
    let folder = Folder::started();
    let whole = fs::read_to_string(&folder.layout.journal).expect("read");
    fs::write(&folder.layout.journal, whole.replacen("begun", "began", 1)).expect("written");
    assert_eq!(folder.refused(&folder.layout.journal), StartReason::JournalBroken);
    fs::write(&folder.layout.journal, format!("{whole}0123456789")).expect("written");
    let started = folder.start().expect("a start");
    assert!(started.warnings[0].contains("10 bytes"), "{:?}", started.warnings);
    assert_eq!(fs::read_to_string(&folder.layout.journal).expect("read"), whole);
}

#[test]
fn a_first_start_that_was_killed_anywhere_is_finished_by_the_next() {
    let whole = Folder::started();
    let journal = fs::read(&whole.layout.journal).expect("read");
    let begun = journal.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    // What is on the disk after each step: the journal's bytes, the master key, the root.
    let steps: [(&[u8], bool, bool); 5] = [
        (b"", false, false),
        (&journal[..begun], false, false),
        (&journal[..begun], true, false),
        (&journal[..begun], true, true),
        (&journal[..journal.len() - 3], true, true),
    ];
    for (step, (journal, master, root)) in steps.into_iter().enumerate() {
        let folder = Folder::new();
        fs::create_dir_all(&folder.layout.folder).expect("made");
        fs::write(&folder.layout.journal, journal).expect("written");
        if master {
            fs::copy(&whole.layout.master, &folder.layout.master).expect("copied");
        }
        if root {
            fs::copy(&whole.layout.root, &folder.layout.root).expect("copied");
        }
        let first = folder.start().unwrap_or_else(|error| panic!("step {step}: {error}"));
        let fingerprint = first.tree.fingerprint();
        drop(first);
        assert_eq!(folder.start().expect("the next").tree.fingerprint(), fingerprint, "step {step}");
    }
}

#[test]
fn without_chance_nothing_is_made() {
    let (folder, ambient) = (Folder::new(), Frozen::at("2026-07-01T12:00:00Z"));
    ambient.dry.set(true);
    let error = start(&folder.layout, AllCeilings::default(), &ambient).err().expect("no start");
    assert_eq!(error.reason(), StartReason::Entropy);
    assert!(!folder.layout.master.exists() && !folder.layout.root.exists());
}

#[test]
fn every_reason_travels_by_its_number() {
    for code in 0..=u8::MAX {
        let reason = StartReason::from_code(code);
        assert_eq!(reason.code(), if code < 20 { code } else { 0 });
    }
}
