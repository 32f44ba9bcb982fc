//! Log appends per second, single and in batches, against the raw durable insert of the same run, on both
//! databases: rounds are interleaved, and medians are printed (docs/performance.md).
//!
//! `cargo bench -p claviger-store --bench appends`

#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that can't go on may panic")]

#[path = "../tests/contract/world.rs"]
#[expect(dead_code, reason = "the tests' world has more than a benchmark needs")]
mod world;

use std::time::{Duration, Instant};

use claviger_domain::apis::AuthType;
use claviger_domain::event::EventBody;
use claviger_store::Store;
use sqlx::{PgPool, SqlitePool};

use world::{Place, World, append, event, later, name, run, start};

/// How many rounds; the median counts.
const ROUNDS: usize = 5;
/// How long each measurement lasts.
const SPAN: Duration = Duration::from_millis(700);
/// How many Keys one transaction issues in the batch.
const BATCH: usize = 100;

/// A database without the store, for the reference.
enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Raw {
    async fn open(place: &Place) -> Self {
        const TABLE: &str = "CREATE TABLE raw (id BIGINT PRIMARY KEY, body TEXT NOT NULL)";
        if let Some(path) = place.url.strip_prefix("sqlite:") {
            // Beside the store's file: a writer of its own, as durable.
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(format!("{path}.raw"))
                .create_if_missing(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
            let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options);
            let pool = pool.await.unwrap();
            sqlx::query(TABLE).execute(&pool).await.unwrap();
            Self::Sqlite(pool)
        } else {
            let pool = PgPool::connect(&place.url).await.unwrap();
            sqlx::query(TABLE).execute(&pool).await.unwrap();
            Self::Postgres(pool)
        }
    }

    async fn insert(&self, id: i64, body: &str) {
        const INSERT: &str = "INSERT INTO raw (id, body) VALUES ($1, $2)";
        match self {
            Self::Sqlite(pool) => {
                sqlx::query(INSERT).bind(id).bind(body).execute(pool).await.unwrap();
            }
            Self::Postgres(pool) => {
                sqlx::query(INSERT).bind(id).bind(body).execute(pool).await.unwrap();
            }
        }
    }
}

/// How often per second `act` ends; each call does `each` things.
async fn rate(each: usize, mut act: impl AsyncFnMut(i64)) -> f64 {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        act(world::number().cast_signed()).await;
        done += each;
    }
    done as f64 / began.elapsed().as_secs_f64()
}

async fn measure(store: &Store, world: &World, raw: &Raw, rates: &mut [Vec<f64>; 4]) {
    let body = "x".repeat(600);
    rates[0].push(rate(1, async |id| raw.insert(id, &body).await).await);
    let renamed = async |number: i64| {
        let name = name(&format!("Shop {number}"));
        let body = EventBody::ApplicationUpdated { application_id: world.application_id, name };
        append(store, [event(later("P1D"), world.place(), body)]).await.unwrap();
    };
    rates[1].push(rate(1, renamed).await);
    let issued = async |number: i64| {
        let terms = world.terms(&format!("Key {number}"), AuthType::ApiKey);
        append(store, world.opened(terms, false, start()).1).await.unwrap();
    };
    rates[2].push(rate(1, issued).await);
    let batch = async |number: i64| {
        let events = (0..BATCH).flat_map(|index| {
            let terms = world.terms(&format!("Key {number} {index}"), AuthType::ApiKey);
            world.opened(terms, false, start()).1
        });
        append(store, events).await.unwrap();
    };
    rates[3].push(rate(BATCH, batch).await);
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn main() {
    println!("| database | what | per second | of the raw insert |");
    println!("| --- | --- | ---: | ---: |");
    for (database, make) in [("SQLite", Place::sqlite as fn() -> Place), ("PostgreSQL", Place::postgres)] {
        run(async || {
            let place = make();
            let raw = Raw::open(&place).await;
            let store = place.open().await;
            let world = World::make(&store).await;
            let mut rates: [Vec<f64>; 4] = Default::default();
            for _ in 0..ROUNDS {
                measure(&store, &world, &raw, &mut rates).await;
            }
            let reference = median(&mut rates[0]);
            let whats = [
                "raw durable insert of one row",
                "one event, one transaction",
                "a Key Set with its Key (two events), one transaction",
                "Key Sets with their Keys, 100 in one transaction, each",
            ];
            for (what, rates) in whats.into_iter().zip(&mut rates) {
                let rate = median(rates);
                println!("| {database} | {what} | {rate:.0} | {:.2} |", rate / reference);
            }
        });
    }
}
