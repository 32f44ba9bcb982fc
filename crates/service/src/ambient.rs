//! Time and chance, as arguments that the binary hands in. The only place of this crate that asks the
//! machine for either; tests hand in frozen ones.

use std::fmt;

use claviger_domain::id::{Id, Kind};
use claviger_domain::time::Timestamp;

/// Where `now` comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync + fmt::Debug {
    fn fill(&self, buffer: &mut [u8]);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one adapter that may ask for the time")]
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

/// The operating system's secure source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done without it.
    fn fill(&self, buffer: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one adapter that may ask for randomness")]
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// A fresh id made now.
pub fn fresh_id<K: Kind>(now: Timestamp, entropy: &dyn Entropy) -> Id<K> {
    let mut bytes = [0; 10];
    entropy.fill(&mut bytes);
    Id::fresh(now, bytes)
}
