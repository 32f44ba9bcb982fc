//! Both books of the keeper: what it opened and signed, and what the log says was revealed, and by which pairs
//! may be signed.

use anyhow::Context as _;
use claviger_domain::event::{Event, EventBody, Position};
use claviger_domain::time::Timestamp;
use claviger_keeper::journal::{self, Book, KnownPair, Oddity, Reveal};
use claviger_store::Store;

use super::Examination;
use crate::configuration::{Configuration, Finding};

/// How many events one step reads.
const STEP: u32 = 1_000;

/// Compares the keeper's journal with the log.
pub(super) async fn examine(
    configuration: &Configuration,
    store: &Store,
    seen: &mut Examination,
) -> anyhow::Result<()> {
    if !journal::path_in(&configuration.data_dir).exists() {
        // A missing journal is the files' matter, or the keeper never ran here.
        return Ok(());
    }
    // The journal first: an opening that is journaled after this is in neither.
    let book = journal::read(&configuration.data_dir).context("read its journal")?;
    let log = read(store).await.context("read the log")?;
    let several_nodes = store.read().await?.all_nodes().await?.len() > 1;
    openings(&book, &log.revealed, several_nodes, seen);
    signatures(&book, &log.pairs, seen);
    Ok(())
}

/// Each signature beside the pair that made it.
fn signatures(book: &Book, pairs: &[KnownPair], seen: &mut Examination) {
    let odd = journal::odd_signatures(&book.signings, pairs);
    let findings = odd.into_iter().map(|(at, signing, oddity)| {
        let what = match oddity {
            Oddity::UnknownPair => "of which the log knows nothing".to_owned(),
            Oddity::OtherUse => format!("which may not be used for {}", signing.key_use.as_str()),
            Oddity::Deleted { at } => format!("which was deleted at {at}"),
        };
        let detail = format!(
            "signed for {} at {at} with the key pair {}, {what}: somebody used the keeper behind the log's \
             back, or the log was cut",
            signing.actor, signing.row
        );
        Finding::error("keeper", detail)
    });
    let agree = format!(
        "the journal's {} signatures are by key pairs that may be used for them",
        book.signings.len()
    );
    seen.note(agree, findings.collect());
}

/// Each opening beside the event that says so.
fn openings(book: &Book, revealed: &[(Timestamp, Reveal)], several_nodes: bool, seen: &mut Examination) {
    let reveals: Vec<Reveal> = revealed.iter().map(|(_, reveal)| reveal.clone()).collect();
    let differences = journal::compare(&book.openings, &reveals);
    let mut findings = Vec::new();
    for (at, opening) in &differences.unlogged {
        let detail = format!(
            "opened {} {} for {} at {at}, and the log has no such reveal at position {}: somebody used the \
             keeper behind the log's back, or the log was cut",
            opening.table, opening.row, opening.actor, opening.position
        );
        findings.push(Finding::error("keeper", detail));
    }
    for (at, opening) in &differences.repeated {
        let detail = format!(
            "opened {} {} again at {at} under the reveal at position {}: each reveal is good for one opening",
            opening.table, opening.row, opening.position
        );
        findings.push(Finding::error("keeper", detail));
    }
    let older = older(book, revealed);
    let mut agree = format!(
        "the journal's {} openings are all in the log, which tells of {} reveals",
        book.openings.len(),
        reveals.len()
    );
    if older > 0 && several_nodes {
        agree.push_str(&format!("; {older} of them are older than this node's journal, and not compared"));
    } else if older > 0 {
        let detail = format!(
            "{older} of the log's {} reveals are older than its journal, which was emptied or begun anew: what \
             was opened for them can't be compared any more",
            reveals.len()
        );
        findings.push(Finding::warning("keeper", detail));
    }
    seen.note(agree, findings);
}

/// How many reveals are from before the journal.
fn older(book: &Book, revealed: &[(Timestamp, Reveal)]) -> usize {
    revealed.iter().filter(|(at, _)| book.begun.is_none_or(|begun| *at < begun)).count()
}

/// What the log says that the keeper's journal is compared with.
#[derive(Default)]
struct Log {
    revealed: Vec<(Timestamp, Reveal)>,
    pairs: Vec<KnownPair>,
}

async fn read(store: &Store) -> anyhow::Result<Log> {
    let mut reader = store.read().await?;
    let (mut log, mut position) = (Log::default(), Position(0));
    loop {
        let events = reader.events_after(position, STEP).await?;
        let Some(last) = events.last() else { return Ok(log) };
        position = last.position;
        events.iter().for_each(|event| log.learn(event));
    }
}

impl Log {
    fn learn(&mut self, event: &Event) {
        match &event.event.body {
            EventBody::KeySetRetrieved { .. } => {
                let actor = event.event.actor.id.clone().unwrap_or_default();
                let position = event.position.0.unsigned_abs();
                self.revealed.push((event.event.at, Reveal { position, actor }));
            }
            EventBody::KeyPairCreated { key_pair_id, terms } => self.pairs.push(KnownPair {
                row: key_pair_id.to_string(),
                uses: terms.uses.iter().copied().collect(),
                deleted: None,
            }),
            EventBody::KeyPairDeleted { key_pair_id } => {
                let row = key_pair_id.to_string();
                let deleted = self.pairs.iter_mut().rev().find(|pair| pair.row == row);
                if let Some(pair) = deleted {
                    pair.deleted = Some(event.event.at);
                }
            }
            _ => {}
        }
    }
}
