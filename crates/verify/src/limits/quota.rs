//! A quota as one number: which UTC day or month is counted, and how much of it is used.

use claviger_domain::policy_templates::{Quota, QuotaWindow};

const USED_BITS: u32 = 40;
const USED_MASK: u64 = (1 << USED_BITS) - 1;

/// How much was used in the present window; none in one that was not counted yet. A clock that went back into the
/// window before finds what the later one used.
pub(super) const fn used(state: u64, window: QuotaWindow) -> u64 {
    if is_over(state, window) { 0 } else { state & USED_MASK }
}

/// The state after a call; `None` if more would be used than there is.
pub(super) fn take(state: u64, cost: u32, quota: Quota, window: QuotaWindow) -> Option<u64> {
    let used = used(state, window) + u64::from(cost);
    let number = (state >> USED_BITS).max(u64::from(window.number));
    (used <= u64::from(quota.limit)).then_some(number << USED_BITS | used)
}

/// The state as it was before a call that came to nothing. What was taken from a window that is over by now is of no
/// account.
pub(super) const fn give_back(state: u64, cost: u32, window: QuotaWindow) -> u64 {
    if state >> USED_BITS > window.number as u64 {
        return state;
    }
    let used = state & USED_MASK;
    state & !USED_MASK | used.saturating_sub(cost as u64)
}

/// Whether its window has ended.
pub(super) const fn is_over(state: u64, window: QuotaWindow) -> bool {
    (state >> USED_BITS) < window.number as u64
}
