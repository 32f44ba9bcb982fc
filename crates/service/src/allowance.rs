//! So many acts a minute per caller, counted in memory. Bounded: callers are signed in, so their number is
//! that of the service keys; those of earlier minutes are forgotten.

use std::collections::HashMap;

use claviger_domain::id::ServiceKeyId;
use claviger_domain::time::Timestamp;
use parking_lot::Mutex;

const MINUTE_MICROS: i64 = 60_000_000;

/// What each caller has used of the present minute.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    used: Mutex<(i64, HashMap<ServiceKeyId, u32>)>,
}

impl Allowance {
    /// Takes one act out of `per_minute`, or answers in how many seconds there are new ones.
    pub(crate) fn take(&self, caller: ServiceKeyId, now: Timestamp, per_minute: u32) -> Result<(), u64> {
        let minute = now.as_micros().div_euclid(MINUTE_MICROS);
        let mut used = self.used.lock();
        if used.0 != minute {
            *used = (minute, HashMap::new());
        }
        let count = used.1.entry(caller).or_default();
        if *count >= per_minute {
            let left = MINUTE_MICROS - now.as_micros().rem_euclid(MINUTE_MICROS);
            return Err(left.unsigned_abs().div_ceil(1_000_000));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_so_many_a_minute() {
        let allowance = Allowance::default();
        let (a, b) = (ServiceKeyId::from_bytes([1; 16]), ServiceKeyId::from_bytes([2; 16]));
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(allowance.take(a, at(10), 2), Ok(()));
        assert_eq!(allowance.take(a, at(20), 2), Ok(()));
        assert_eq!(allowance.take(a, at(30), 2), Err(30));
        assert_eq!(allowance.take(b, at(30), 2), Ok(()));
        assert_eq!(allowance.take(a, at(60), 2), Ok(()));
    }
}
