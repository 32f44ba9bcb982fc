//! How long a start takes, and what it costs in memory: the index of a million Keys loaded from a database that
//! holds them (docs/performance.md). A fresh pool each time, the files in the system's cache.
//!
//! `cargo bench -p claviger-service`; another number of Keys can be given: `-- 100000`. Filling takes long, so that
//! the URL of a database that was filled before can be given too: `-- 1000000 sqlite:/var/tmp/kept.db`.

#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

#[path = "../../store/tests/contract/world.rs"]
#[expect(dead_code, reason = "the tests' world has more than a benchmark needs")]
mod world;

use std::fs;
use std::time::Instant;

use claviger_domain::apis::AuthType;
use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::time::Timestamp;
use claviger_store::{Options, Store};
use claviger_verify::{DEFAULT_MAX_STALENESS_SECONDS, Index};

// Named by the store's world of tests alone, which the benchmark begins with.
use sqlx as _;
use world::{Place, World, append, event, id, name, number, run, start};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 1_000_000;
const KEYS_PER_APPLICATION: usize = 10;
const KEYS_PER_TRANSACTION: usize = 5_000;
const ROUNDS: usize = 5;
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

fn main() {
    let given = std::env::args().find_map(|argument| argument.parse().ok());
    let keys = given.unwrap_or(KEYS);
    println!(
        "| database | Keys | open and load, s | of it on processors, s | bytes per Key, resident | target |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    if let Some(url) = std::env::args().find(|argument| argument.contains(':')) {
        run(async || measure("kept", "", &url, keys).await);
        return;
    }
    for (database, target, make) in
        [("SQLite", "≤ 1 s", Place::sqlite as fn() -> Place), ("PostgreSQL", "≤ 1.5 s", Place::postgres)]
    {
        run(async || {
            let place = make();
            fill(&place, keys).await;
            measure(database, target, &place.url, keys).await;
        });
    }
}

async fn measure(database: &str, target: &str, url: &str, keys: usize) {
    let mut seconds = Vec::new();
    let mut processors = Vec::new();
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let (before, began, worked) = (resident_bytes(), Instant::now(), processor_seconds());
        let index = load(url).await;
        seconds.push(began.elapsed().as_secs_f64());
        processors.push(processor_seconds() - worked);
        // The first index is made of fresh memory; later ones of what the ones before gave back.
        bytes = bytes.max(resident_bytes().saturating_sub(before));
        demand_loaded(&index, keys);
    }
    let (seconds, processors) = (median(&mut seconds), median(&mut processors));
    let each = bytes / keys as u64;
    println!("| {database} | {keys} | {seconds:.2} | {processors:.2} | {each} | {target} |");
}

async fn load(url: &str) -> Index {
    let store = Store::open(url, Options::default()).await.expect("a database that opens");
    let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    let mut reader = store.read().await.expect("read the tables");
    claviger_service::load_index(&mut reader, &index, NOW).await.expect("load the index");
    drop(reader);
    store.close().await;
    index
}

/// What was loaded is what was put in: looked at outside of what is measured.
fn demand_loaded(index: &Index, keys: usize) {
    let entries = index.entries();
    assert_eq!(entries.keys.len(), keys);
    assert!(entries.keys.iter().all(|key| key.latest && key.opens.len() == 1));
}

/// Key Sets of one Key each; ten of them in each Application, open to one API by its Subscription.
async fn fill(place: &Place, keys: usize) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let mut left = keys;
    while left > 0 {
        let many = left.min(KEYS_PER_TRANSACTION);
        let sizes =
            (0..many).step_by(KEYS_PER_APPLICATION).map(|begun| KEYS_PER_APPLICATION.min(many - begun));
        append(&store, sizes.flat_map(|size| application(&world, size))).await.expect("a part of the Keys");
        left -= many;
    }
    store.close().await;
    if !place.is_sqlite() {
        place.tamper("ANALYZE").await;
    }
}

/// The events of an Application with so many Key Sets.
fn application(world: &World, sets: usize) -> Vec<NewEvent> {
    let world = World { application_id: id(), ..world.clone() };
    let made = EventBody::ApplicationCreated {
        application_id: world.application_id,
        organization_id: world.organization_id,
        group_id: world.group_id,
        name: name(&format!("Application {}", number())),
    };
    let mut events = vec![event(start(), world.place(), made)];
    let mut key_set_ids = Vec::with_capacity(sets);
    for set in 0..sets {
        let terms = world.terms(&format!("Key Set {set}"), AuthType::ApiKey);
        let (key_set_id, opened) = world.opened(terms, false, start());
        key_set_ids.push(key_set_id);
        events.extend(opened);
    }
    events.push(world.subscription(id(), world.api_id, &key_set_ids));
    events
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How much memory this process has, as the kernel counts it.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("what the kernel says of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// How long all threads of this process have run, in ticks of a hundredth of a second.
fn processor_seconds() -> f64 {
    let statistics = fs::read_to_string("/proc/self/stat").expect("what the kernel says of this process");
    let fields = statistics.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}
