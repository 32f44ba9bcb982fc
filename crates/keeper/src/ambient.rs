//! The keeper's clock and its chance: the one place of the crate that asks for either. Everything else
//! takes them as an argument, so that tests can hold time still.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use claviger_domain::time::Timestamp;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoEntropy;

/// Time and chance, as the process meets them.
pub(crate) trait Ambient {
    fn now(&self) -> Timestamp;
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The machine's own.
pub(crate) struct Machine;

impl Ambient for Machine {
    #[expect(clippy::disallowed_methods, reason = "the keeper's one clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the keeper's one source of chance")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }
}

impl Machine {
    /// Draws once from the chance of the library that signs. At its first draw the library looks by which file the
    /// machine tells that it was copied, and without that file does not notice copies; so before files are given up.
    pub(crate) fn draw_once(&self) -> Result<(), NoEntropy> {
        SystemRandom::new().fill(&mut [0]).map_err(|_| NoEntropy)
    }
}

#[cfg(test)]
pub(crate) mod frozen {
    //! Time that moves when told, and chance that is a counter.

    use std::cell::Cell;

    use super::{Ambient, NoEntropy, Timestamp};

    pub(crate) struct Frozen {
        now: Cell<i64>,
        drawn: Cell<u8>,
        pub(crate) dry: Cell<bool>,
    }

    impl Frozen {
        pub(crate) fn at(text: &str) -> Self {
            let now = text.parse::<Timestamp>().expect("an instant").as_micros();
            Self { now: Cell::new(now), drawn: Cell::new(0), dry: Cell::new(false) }
        }

        pub(crate) fn pass(&self, seconds: i64) {
            self.now.set(self.now.get() + seconds * 1_000_000);
        }
    }

    impl Ambient for Frozen {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(self.now.get())
        }

        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
            if self.dry.get() {
                return Err(NoEntropy);
            }
            for byte in bytes {
                self.drawn.set(self.drawn.get().wrapping_mul(5).wrapping_add(113));
                *byte = self.drawn.get();
            }
            Ok(())
        }
    }
}
