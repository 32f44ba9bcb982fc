//! How long the facts of a million Keys take to come out of each database, without the index that is built from
//! them: the store's part of "start-up to ready". Filling takes minutes.
//!
//! `cargo bench -p claviger-store --bench snapshot [-- KEYS]`

#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on may panic")]

#[path = "../tests/contract/world.rs"]
#[expect(dead_code, reason = "the tests' world has more than a benchmark needs")]
mod world;

use std::time::Instant;

use claviger_domain::apis::AuthType;
use claviger_store::Store;

use world::{Place, World, append, run, start};

const KEYS: usize = 1_000_000;
const ROUNDS: usize = 3;
const SETS_PER_TRANSACTION: usize = 5_000;

/// Key Sets of one Key each.
async fn fill(store: &Store, keys: usize) {
    let world = World::make(store).await;
    for begun in (0..keys).step_by(SETS_PER_TRANSACTION) {
        let many = SETS_PER_TRANSACTION.min(keys - begun);
        let events = (0..many).flat_map(|index| {
            let terms = world.terms(&format!("Key {}", begun + index), AuthType::ApiKey);
            world.opened(terms, false, start()).1
        });
        append(store, events).await.unwrap();
    }
}

async fn load(store: &Store) -> (usize, f64) {
    let began = Instant::now();
    let (mut keys, mut sum) = (0, 0_u128);
    let mut reader = store.read().await.unwrap();
    let take = |key: claviger_domain::key_sets::DecidingKey| {
        keys += 1;
        sum ^= key.id.as_u128() ^ key.key_set_id.as_u128();
    };
    reader.each_key(take).await.unwrap();
    std::hint::black_box(sum);
    (keys, began.elapsed().as_secs_f64())
}

fn main() {
    let keys = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(KEYS);
    println!("| database | Keys | seconds |");
    println!("| --- | ---: | ---: |");
    for (database, make) in [("SQLite", Place::sqlite as fn() -> Place), ("PostgreSQL", Place::postgres)] {
        run(async || {
            let place = make();
            let store = place.open().await;
            let began = Instant::now();
            fill(&store, keys).await;
            println!("| {database}, filled | {keys} | {:.2} |", began.elapsed().as_secs_f64());
            if !place.is_sqlite() {
                place.tamper("ANALYZE").await;
            }
            let mut seconds = Vec::new();
            for _ in 0..ROUNDS {
                let (loaded, took) = load(&store).await;
                assert_eq!(loaded, keys);
                seconds.push(took);
            }
            seconds.sort_by(f64::total_cmp);
            println!("| {database}, loaded | {keys} | {:.2} |", seconds[ROUNDS / 2]);
        });
    }
}
