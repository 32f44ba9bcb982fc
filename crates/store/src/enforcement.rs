//! How long after each change a node enforces it: one measure for all who follow the log.

use std::time::Duration;

use claviger_domain::time::Timestamp;

/// Measures that what was changed at these instants is enforced here by now. What happened before this node followed the log is
/// no delay of its own, and is for the caller to leave out.
pub fn measure_enforcement(changed: impl IntoIterator<Item = Timestamp>, now: Timestamp) {
    for at in changed {
        metrics::histogram!("claviger_enforcement_delay_seconds").record(delay(at, now));
    }
}

/// None where the clock of who changed it is ahead.
fn delay(at: Timestamp, now: Timestamp) -> Duration {
    let micros = now.as_micros().saturating_sub(at.as_micros()).max(0);
    Duration::from_micros(micros.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_delay_is_negative_whatever_the_clocks_say() {
        let at = |micros| Timestamp::from_micros(micros);
        assert_eq!(delay(at(1_000_000), at(3_500_000)), Duration::from_millis(2_500));
        assert_eq!(delay(at(3_500_000), at(1_000_000)), Duration::ZERO);
    }
}
