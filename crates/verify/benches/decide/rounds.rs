//! Measuring side by side: A B A B …, so that a noisy machine is as noisy for one as for the other.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this thread has used of its processor: what others do beside it does not count.
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// What one call took, as the median of the rounds.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) nanos: f64,
}

pub(crate) fn interleave<const N: usize>(
    rounds: usize,
    calls: usize,
    subjects: [&dyn Fn(usize) -> usize; N],
) -> [Figure; N] {
    let mut taken = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (subject, taken) in subjects.iter().zip(&mut taken) {
            let begun = processor_time();
            for at in 0..calls {
                black_box(subject(round * calls + at));
            }
            // The first round only warms up.
            if round > 0 {
                let spent = processor_time() - begun;
                taken.push(spent.as_nanos() as f64 / calls as f64);
            }
        }
    }
    taken.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        Figure { nanos: rounds[rounds.len() / 2] }
    })
}
