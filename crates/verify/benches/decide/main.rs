//! What deciding costs, as ratios against a limit measured in the same run (docs/performance.md):
//! interleaved, the median of several rounds.
//!
//! `cargo bench -p claviger-verify` measures at 1,000, 100,000 and 1,000,000 Keys; other sizes can be
//! given: `cargo bench -p claviger-verify -- 10000000` (needs 3 GB).

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod population;
mod reference;
mod rounds;

use std::hint::black_box;
use std::time::Duration;

use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_verify::{
    Credential, DEFAULT_MAX_STALENESS_SECONDS, Decision, Index, Limits, Meters, Request, Response,
};

use self::population::{Call, NOW, Population};
use self::reference::FlatTable;
use self::rounds::{Figure, interleave, processor_time};

const ROUNDS: usize = 7;
/// How many decisions one round makes.
const CALLS: usize = 100_000;
/// Up to here there is room for a second index.
const MOST_TWICE: usize = 1_000_000;

fn main() {
    let sizes: Vec<usize> =
        std::env::args().filter_map(|argument| argument.replace('_', "").parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 100_000, 1_000_000] } else { sizes };
    println!("{:>10}  {:<44} {:>9}  {:>7}  target", "keys", "what", "ns", "ratio");
    for size in sizes {
        measure(size);
    }
}

fn measure(size: usize) {
    let (index, population, table) = build(size);
    let (meters, limits) = (Meters::default(), Limits::default());
    let decide = |at: usize| decide(&index, &population.call(at), &limits, &meters);
    let digest = |at: usize| {
        let (call, generation) = (population.call(at), &population.digests().newest);
        let key = generation.key.digest(call.key.as_bytes());
        let secret = call.secret.map(|secret| generation.secret.digest(secret.as_bytes()));
        usize::from(key.as_bytes()[0]) + secret.map_or(0, |secret| usize::from(secret.as_bytes()[0]))
    };
    let flat = |at: usize| table.decide(population.digests(), &population.call(at), NOW);
    let malformed = |at: usize| {
        let call = population.call(at);
        // One letter is missing.
        let credential = Credential::from_parts(Some(&call.key[..call.key.len() - 1]), None);
        index.decide(&Request { api: Some(call.api), ..Request::new(credential) }, NOW).code() as usize
    };
    let wrong = population.mistyped();
    let mistyped = |_| {
        let credential = Credential::from_parts(Some(&wrong), None);
        let request = Request { api: Some("orders-1"), ..Request::new(credential) };
        index.decide(&request, NOW).code() as usize
    };
    let uncounted = |at: usize| take(&index, &population.call(at), &limits).code() as usize;
    let answered = |at: usize| answer(&index, &population.call(at), &limits, &meters);
    let [decision, uncounted, answered, bare, one_line, malformed, mistyped] =
        interleave(ROUNDS, CALLS, [&decide, &uncounted, &answered, &digest, &flat, &malformed, &mistyped]);
    let row = |what: &str, figure: Figure, limit: Option<Figure>, target: &str| {
        let ratio = limit.map_or(String::new(), |limit| format!("{:.2}", figure.nanos / limit.nanos));
        println!("{size:>10}  {what:<44} {:>9.1}  {ratio:>7}  {target}", figure.nanos);
    };
    row("the digests that a decision uses, alone", bare, None, "");
    row("a flat table of one line per key", one_line, None, "");
    row("a decision, everything on, by its digests", decision, Some(bare), "<= 2.5 at 1,000 keys");
    row("a decision by the flat table", decision, Some(one_line), "<= 1.3 at 10,000,000 keys");
    let of_counting = Figure { nanos: decision.nanos - uncounted.nanos };
    let of_answering = Figure { nanos: answered.nanos - uncounted.nanos };
    row("of it: metrics, usage, last-used", of_counting, None, "<= 5 % of a call at forward-auth");
    row("the same and what is kept of a response", of_answering, None, "<= 5 % of a call at the gateway");
    row("a key of the wrong length", malformed, None, "<= 50 ns");
    row("a key with a typing error", mistyped, None, "<= 50 ns");
    two_cores(size, &decide);
    if size <= MOST_TWICE {
        let (limited, taken) = limited(&population, &decide);
        row(
            "a decision that takes from a rate and a quota",
            taken,
            Some(limited),
            "by one that is not limited",
        );
    }
}

/// A decision with all that a door does besides: what limits it, and what counts it.
fn decide(index: &Index, call: &Call<'_>, limits: &Limits, meters: &Meters) -> usize {
    let decision = take(index, call, limits);
    meters.observe(&decision, None, NOW);
    decision.code() as usize
}

/// The same with what the gateway keeps of the answer.
fn answer(index: &Index, call: &Call<'_>, limits: &Limits, meters: &Meters) -> usize {
    let decision = take(index, call, limits);
    meters.observe(&decision, None, NOW);
    meters.answered(Response {
        at: NOW,
        api_id: decision.met_api(),
        key: decision.met_key(),
        code: decision.code(),
        status: 200,
        method: "GET",
        path: "/orders/17".into(),
        source: None,
        micros: 400,
        received: 0,
        sent: 96,
        request_id: "req_0123456789ab-g1f".into(),
    });
    decision.code() as usize
}

/// A decision that takes from what limits it, and that nobody counts.
fn take(index: &Index, call: &Call<'_>, limits: &Limits) -> Decision {
    let request = Request {
        api: Some(call.api),
        environment: Some(call.environment),
        permissions: &["orders:read"],
        ..Request::new(Credential::from_parts(Some(call.key), call.secret))
    };
    let mut decision = index.decide(&request, NOW);
    limits.take(&mut decision, NOW);
    decision
}

/// The same decisions, plain and by an index whose every policy has a rate and a quota.
fn limited(population: &Population, plain: &impl Fn(usize) -> usize) -> (Figure, Figure) {
    const MOST: u32 = 1_000_000_000;
    let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    index.use_digest_keys(population.digests().clone());
    let rate_limit = Some(RateLimit { limit: MOST, per: RatePeriod::Second, burst: MOST });
    let quota = Some(Quota { limit: MOST, per: QuotaPeriod::Month });
    population.load(&index, CallLimits { rate_limit, quota });
    let (meters, limits) = (Meters::default(), Limits::default());
    let taking = |at: usize| decide(&index, &population.call(at), &limits, &meters);
    let [plain, taking] = interleave(ROUNDS, CALLS, [plain, &taking]);
    assert!(!limits.is_empty(), "they were counted");
    (plain, taking)
}

/// The index, and a sample of calls on it that outgrows the caches as the index does.
fn build(size: usize) -> (Index, Population, FlatTable) {
    let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    let population = Population::new(size);
    index.use_digest_keys(population.digests().clone());
    let begun = processor_time();
    let mut took = Duration::ZERO;
    let used = allocation_counter::measure(|| {
        population.load(&index, CallLimits::default());
        took = processor_time() - begun;
    });
    let each = |bytes: u64| bytes as f64 / size as f64;
    let held = each(u64::try_from(used.bytes_current).unwrap_or_default());
    let most = each(used.bytes_max);
    println!(
        "{size:>10}  {:<44} {held:>9.1}  {:>7}  <= 110 at 10,000,000 keys",
        "memory of the index, bytes per key", ""
    );
    println!(
        "{size:>10}  {:<44} {most:>9.1}  {:>7.2}  <= 1.1",
        "the most while loading, by what is kept",
        most / held
    );
    println!(
        "{size:>10}  {:<44} {:>9.0}  {:>7}",
        "loading, per key, making its row included",
        took.as_nanos() as f64 / size as f64,
        ""
    );
    let table = FlatTable::of(&population);
    (index, population, table)
}

/// By processor time, which on two free cores is the time itself: nobody waits for anybody, so that what
/// two cores lose to each other shows as time that each spends more.
fn two_cores(size: usize, decide: &(impl Fn(usize) -> usize + Sync)) {
    let run = |threads: usize| {
        let spent = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn(move || {
                        let begun = processor_time();
                        (0..CALLS * 3).for_each(|at| _ = black_box(decide(at * 2 + thread)));
                        processor_time() - begun
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().expect("decided").as_secs_f64()).sum::<f64>()
        });
        spent / threads as f64
    };
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| 2.0 * run(1) / run(2)).collect();
    ratios.sort_by(f64::total_cmp);
    let (what, target) = ("two cores against one", ">= 1.75 at 1,000 keys");
    println!("{size:>10}  {what:<44} {:>9}  {:>7.2}  {target}", "", ratios[ROUNDS / 2]);
}
