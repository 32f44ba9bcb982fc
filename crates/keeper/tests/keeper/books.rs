//! The journal as `doctor` reads it, beside what the log would say.

use claviger_keeper::journal::{self, Reveal, compare};
use claviger_keeper::process::StartReason;

use crate::support::*;

fn reveal(position: u64) -> Reveal {
    Reveal { position, actor: "mbr_a".into() }
}

#[test]
fn the_book_of_a_running_keeper_can_be_compared_with_the_log() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let sealed = seal(&keeper, "text");
    for position in [11, 12, 15] {
        open_at(&keeper, PLACE, &sealed, "mbr_a", position).expect("opened");
    }
    let book = journal::read(folder.path()).expect("a whole chain");
    assert_eq!((book.openings.len(), book.torn_bytes), (3, 0));
    assert!(compare(&book.openings, &[reveal(11), reveal(12), reveal(15)]).all_openings_are_logged());
    let differences = compare(&book.openings, &[reveal(11), reveal(12), reveal(13)]);
    assert_eq!(differences.unlogged.len(), 1, "what was opened at 15 is in no event");
    assert_eq!(differences.not_opened, [13]);
}

#[test]
fn an_edited_book_is_noticed_by_the_reader_and_by_the_next_start() {
    let folder = folder();
    let keeper = spawn(options(folder.path()));
    let sealed = seal(&keeper, "text");
    for actor in ["mbr_a", "mbr_b"] {
        open(&keeper, &sealed, actor).expect("opened");
    }
    keeper.shutdown();
    let path = journal::path_in(folder.path());
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, text.replacen("mbr_a", "mbr_x", 1)).expect("written");
    let error = journal::read(folder.path()).expect_err("an edit");
    assert!(error.to_string().contains("line 3 does not follow"), "{error}");
    let refused = refused(options(folder.path()));
    let claviger_keeper::client::SpawnError::Refused { reason, explanation } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(reason, StartReason::JournalBroken);
    assert!(explanation.contains("line 3 does not follow"), "{explanation}");
}
