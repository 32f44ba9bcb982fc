//! Counting under concurrency: everything is taken out exactly once, with what it was counted by.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use claviger_domain::id::{ApiId, KeyId, KeySetId, SharedKeyId};
use claviger_domain::usage::UsedKey;
use proptest::prelude::*;

use super::*;

fn id(n: u32) -> [u8; 16] {
    // As ids are: a time in front, chance behind.
    (u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1 << 127).to_be_bytes()
}

fn seen(minute: u32, key: u32, code: Code) -> Seen {
    let key = UsedKey::Key { id: KeyId::from_bytes(id(key)), key_set_id: KeySetId::from_bytes(id(key / 2)) };
    Seen {
        minute: Minute(minute),
        api_id: Some(ApiId::from_bytes(id(9))),
        key: Some(key),
        measure: Measure::Decided(code),
    }
}

fn all_of(meters: &Meters) -> Vec<Usage> {
    std::iter::repeat_with(|| meters.take_usage(100))
        .take_while(|taken| !taken.is_empty())
        .flatten()
        .collect()
}

#[test]
fn every_call_of_every_thread_is_taken_out_once_while_counting_goes_on() {
    const THREADS: u32 = 20;
    const CALLS: u32 = 30_000;
    let meters = Meters::default();
    let done = AtomicBool::new(false);
    let mut sums = BTreeMap::<(i64, u32), u64>::new();
    let numbers: BTreeMap<_, u32> = (0..300).map(|key| (KeyId::from_bytes(id(key)), key)).collect();
    let mut note = |usage: Vec<Usage>| {
        for usage in usage {
            let Some(UsedKey::Key { id, .. }) = usage.key else { panic!("a key is lost: {usage:?}") };
            *sums.entry((usage.at.as_micros() / 60_000_000, numbers[&id])).or_default() += usage.calls;
        }
    };
    std::thread::scope(|scope| {
        let counting: Vec<_> = (0..THREADS)
            .map(|thread| {
                let meters = &meters;
                scope.spawn(move || {
                    for n in 0..CALLS {
                        // Time goes on, so that counters are vacated and used again.
                        let minute = n / 3_000;
                        let stripe = &meters.stripes[stripe()];
                        assert!(stripe.fine.count(&seen(minute, (n * 7 + thread) % 300, Code::Valid), None));
                    }
                })
            })
            .collect();
        let collecting = scope.spawn(|| {
            let mut minute = 0;
            let mut taken = Vec::new();
            while !done.load(Ordering::Relaxed) {
                meters.collect(Minute(minute % 12).begins());
                minute += 1;
                taken.extend(all_of(&meters));
            }
            taken
        });
        counting.into_iter().for_each(|thread| thread.join().expect("counted"));
        done.store(true, Ordering::Relaxed);
        note(collecting.join().expect("collected"));
    });
    meters.collect(Minute(99).begins());
    note(all_of(&meters));
    let mut expected = BTreeMap::<(i64, u32), u64>::new();
    for thread in 0..THREADS {
        for n in 0..CALLS {
            *expected.entry((i64::from(n / 3_000), (n * 7 + thread) % 300)).or_default() += 1;
        }
    }
    assert_eq!(sums, expected);
    assert_eq!(meters.coarsened(), 0);
}

#[test]
fn where_there_is_no_room_by_key_calls_are_counted_by_api_and_none_is_lost() {
    let meters = Meters::default();
    let stripe = &meters.stripes[0];
    let sent = 100_000;
    for key in 0..sent {
        assert!(stripe.count(seen(5, key, Code::Valid), None));
    }
    let room = FINE.iter().sum::<usize>() * 8;
    meters.collect(Minute(5).begins());
    let usage = all_of(&meters);
    let of = |usage: &[Usage]| usage.iter().map(|usage| usage.calls).sum::<u64>();
    assert_eq!(of(&usage), u64::from(sent));
    let (with_key, without): (Vec<Usage>, Vec<Usage>) = usage.iter().partition(|usage| usage.key.is_some());
    assert!(with_key.len() <= room && with_key.len() > room / 2, "{} of {room}", with_key.len());
    assert_eq!(of(&without), meters.coarsened());
    assert!(without.iter().all(|usage| usage.api_id == Some(ApiId::from_bytes(id(9)))));
    // In the next minute there is room again, in the newest table alone.
    meters.collect(Minute(6).begins());
    for key in 0..sent {
        assert!(stripe.count(seen(6, key, Code::Valid), None));
    }
    meters.collect(Minute(6).begins());
    let usage = all_of(&meters);
    assert_eq!(of(&usage), u64::from(sent));
    let with_key = usage.iter().filter(|usage| usage.key.is_some()).count();
    let room = FINE[FINE.len() - 1] * 8;
    assert!(with_key <= room && with_key > room * 3 / 4, "{with_key} of {room}");
}

#[test]
fn what_has_no_room_at_all_is_counted_by_its_code() {
    let meters = Meters::default();
    let stripe = &meters.stripes[0];
    stripe.rest.0[Code::Unknown as usize].fetch_add(7, Ordering::Relaxed);
    meters.collect(Minute(5).begins());
    assert_eq!(meters.take_usage(10), [Usage::of_code(Minute(5), Code::Unknown, 7)]);
    meters.collect(Minute(5).begins());
    assert_eq!(meters.take_usage(10), []);
}

proptest! {
    #[test]
    fn what_is_counted_reads_back_as_it_was(
        key in proptest::option::of((0..3, any::<[u8; 16]>(), any::<[u8; 16]>())),
        api in proptest::option::of(any::<[u8; 16]>()),
        minute in any::<u32>(),
        code in proptest::sample::select(Code::ALL.to_vec()),
        micros in proptest::option::of(prop_oneof![Just(0), any::<u64>()]),
        source in proptest::option::of(any::<IpAddr>()),
        calls in 1_u64..50,
    ) {
        let key = key.map(|(kind, key, set)| match kind {
            0 => UsedKey::Shared(SharedKeyId::from_bytes(key)),
            1 => UsedKey::Service(ServiceKeyId::from_bytes(key)),
            _ => UsedKey::Key { id: KeyId::from_bytes(key), key_set_id: KeySetId::from_bytes(set) },
        });
        let measure = match micros {
            Some(0) => Measure::SignedIn,
            Some(micros) => Measure::Answered(Latency::of(micros)),
            None => Measure::Decided(code),
        };
        let seen = Seen { minute: Minute(minute), api_id: api.map(ApiId::from_bytes), key, measure };
        let source = source.map(|source| source.to_canonical()).filter(|source| *source != std::net::Ipv6Addr::UNSPECIFIED);
        let table = Table::<4>::default();
        for _ in 0..calls {
            prop_assert!(table.count(&seen, source));
        }
        let mut taken = Vec::new();
        table.drain(Minute(minute), |usage| taken.push(usage));
        prop_assert_eq!(taken, vec![seen.calls(calls, source)]);
        table.drain(Minute(u32::MAX), |usage| panic!("taken twice: {usage:?}"));
    }
}
