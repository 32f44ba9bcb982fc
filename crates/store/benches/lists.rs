//! How long a page of each list, filter and search of Key Sets takes (product.md D5), at a thousand rows and at a
//! million, on both databases: taking turns, medians, and the second over the first (docs/performance.md). Filling
//! takes minutes.
//!
//! `cargo bench -p claviger-store --bench lists [-- ROWS]`, where rows are a thousand times a power of ten.

#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on may panic")]

#[path = "../tests/contract/world.rs"]
#[expect(dead_code, reason = "the tests' world has more than a benchmark needs")]
mod world;

use std::time::Instant;

use claviger_domain::apis::AuthType;
use claviger_domain::key_sets::KeyStatus;
use claviger_domain::time::Timestamp;
use claviger_store::{
    ApplicationFilter, ApplicationSort, Between, KeySetFilter, KeySetSort, ListQuery, Store, Visible,
};

use world::{Place, World, run, start};

const FEW: i64 = 1_000;
const MANY: i64 = 1_000_000;
const ROUNDS: usize = 11;
/// Statuses are as of this instant: before any Key ends by the clock.
const NOW: Timestamp = Timestamp::from_micros(8_500_000_000_000_000);

const FIRST_NUMBERS: &str = "CREATE TABLE numbers (i BIGINT PRIMARY KEY); \
    INSERT INTO numbers WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n";
const TEN_TIMES: &str = "INSERT INTO numbers SELECT numbers.i + more.i * counted.total FROM numbers, \
    (SELECT i FROM numbers WHERE i < 10) AS more, (SELECT COUNT(*) AS total FROM numbers) AS counted";
const ROWS: &str = include_str!("lists.sql");

/// One database with so many Key Sets, and the ids of what they belong to.
struct Filled {
    store: Store,
    world: World,
    _place: Place,
}

impl Filled {
    async fn with(rows: i64, place: Place) -> Self {
        let store = place.open().await;
        let world = World::make(&store).await;
        world.open_set(&store, "A sample", start()).await;
        place.tamper(FIRST_NUMBERS).await;
        let mut numbers = FEW;
        while numbers < rows {
            place.tamper(TEN_TIMES).await;
            numbers *= 10;
        }
        // The one word of it that differs between the databases.
        let bytes = if place.is_sqlite() { "BLOB" } else { "BYTEA" };
        place.tamper(ROWS.replace("BYTES", bytes).leak()).await;
        Self { store, world, _place: place }
    }

    /// How long one page takes, in microseconds.
    async fn time(&self, list: &List) -> f64 {
        let began = Instant::now();
        let mut reader = self.store.read().await.unwrap();
        match list {
            List::KeySets(query) => drop(reader.key_sets(query).await.unwrap()),
            List::Applications(query) => drop(reader.applications(query).await.unwrap()),
        }
        began.elapsed().as_secs_f64() * 1e6
    }
}

enum List {
    KeySets(Box<ListQuery<KeySetFilter, KeySetSort>>),
    Applications(Box<ListQuery<ApplicationFilter, ApplicationSort>>),
}

fn key_sets(filter: KeySetFilter, sort: KeySetSort) -> List {
    List::KeySets(Box::new(ListQuery {
        limit: 50,
        sort,
        descending: true,
        cursor: None,
        visible: Visible::everything(),
        filter,
        count: false,
    }))
}

fn applications(q: &str) -> List {
    let filter = ApplicationFilter { q: Some(q.to_owned()), ..ApplicationFilter::default() };
    let query = ListQuery { filter, visible: Visible::everything(), ..ListQuery::default() };
    List::Applications(Box::new(query))
}

/// Every filter, some of its values common and some rare.
fn filters(world: &World) -> Vec<(&'static str, KeySetFilter)> {
    let at = || KeySetFilter::at(NOW);
    let q = |text: &str| KeySetFilter { q: Some(text.to_owned()), ..at() };
    let seconds = |from: i64| {
        let instant = |second: i64| Some(Timestamp::from_micros(second * 1_000_000));
        Between { after: instant(from), before: instant(from + 100) }
    };
    let application = "app_00000000000000000000000500".parse().unwrap();
    let group = "grp_00000000000000000000000001".parse().unwrap();
    vec![
        ("all", at()),
        ("status active", KeySetFilter { statuses: vec![KeyStatus::Active], ..at() }),
        ("status suspended, one in 50", KeySetFilter { statuses: vec![KeyStatus::Suspended], ..at() }),
        ("status expired, none", KeySetFilter { statuses: vec![KeyStatus::Expired], ..at() }),
        ("auth type", KeySetFilter { auth_types: vec![AuthType::Basic], ..at() }),
        ("API, of all", KeySetFilter { api_ids: vec![world.api_id], ..at() }),
        ("Application, of ten", KeySetFilter { application_ids: vec![application], ..at() }),
        ("Environment, of all", KeySetFilter { environment_ids: vec![world.environment_id], ..at() }),
        ("Organization, of all", KeySetFilter { organization_ids: vec![world.organization_id], ..at() }),
        ("Group, of a tenth", KeySetFilter { group_ids: vec![group], ..at() }),
        ("created", KeySetFilter { created: seconds(500), ..at() }),
        ("provisioned", KeySetFilter { provisioned: seconds(500), ..at() }),
        ("rotation due", KeySetFilter { rotation_due: seconds(8_000_000_500), ..at() }),
        ("expiration", KeySetFilter { expires: seconds(9_000_000_500), ..at() }),
        ("revoked", KeySetFilter { revoked: seconds(500), ..at() }),
        ("last used", KeySetFilter { last_used: seconds(500), ..at() }),
        ("text of all", q("set")),
        ("text of one, a name", q("set 777")),
        ("text of one, an id", q("000000000777")),
        ("text of ten, an Application", q("application 500")),
        ("text of none", q("nothing of the kind")),
        ("suspended and of a text", KeySetFilter { statuses: vec![KeyStatus::Suspended], ..q("set 100") }),
    ]
}

fn lists(world: &World) -> Vec<(String, List)> {
    let sorts = [
        ("all, by name", KeySetSort::Name),
        ("all, by provisioning", KeySetSort::ProvisionedAt),
        ("all, by rotation due", KeySetSort::RotationDueAt),
        ("all, by expiration", KeySetSort::ExpiresAt),
        ("all, by revocation", KeySetSort::RevokedAt),
    ];
    let sorted = sorts.map(|(name, sort)| (name.to_owned(), key_sets(KeySetFilter::at(NOW), sort)));
    let filtered = filters(world)
        .into_iter()
        .map(|(name, filter)| (name.to_owned(), key_sets(filter, KeySetSort::CreatedAt)));
    let named = ["application", "application 500", "nothing of the kind"]
        .map(|q| (format!("Applications, text {q:?}"), applications(q)));
    sorted.into_iter().chain(filtered).chain(named).collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn compare(database: &str, few: &Filled, many: &Filled, rows: i64) {
    for ((name, small), (_, large)) in lists(&few.world).into_iter().zip(lists(&many.world)) {
        let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_few.push(few.time(&small).await);
            of_many.push(many.time(&large).await);
        }
        let (few, many) = (median(&mut of_few), median(&mut of_many));
        println!("| {database} | {name} | {few:.0} | {many:.0} at {rows} | {:.2} |", many / few);
    }
}

fn main() {
    let rows = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(MANY);
    println!("| database | page of 50 | µs at {FEW} rows | µs at many | ratio |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for (database, make) in [("SQLite", Place::sqlite as fn() -> Place), ("PostgreSQL", Place::postgres)] {
        run(async || {
            let few = Filled::with(FEW, make()).await;
            let many = Filled::with(rows, make()).await;
            compare(database, &few, &many, rows).await;
        });
    }
}
