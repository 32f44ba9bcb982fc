//! Which policies can be: their ranges, and that their periods fit each other (product.md D16;
//! surface.md, "Bodies").

use super::{Approval, MAX_LIMIT, Policy, Quota, RateLimit};
use crate::refusal::FieldError;
use crate::time::{Period, Timestamp};

/// So many warnings before a date are enough for anybody.
pub const MAX_NOTIFICATIONS: usize = 20;

const DAY_MICROS: i64 = 86_400_000_000;
/// 2027-01-01T00:00:00Z: the first of four years of which one has a 29 February.
const FIRST_START: i64 = 1_798_761_600_000_000;
const STARTS: i64 = 1_461;

impl Default for Policy {
    /// The policy of the template `Default`.
    fn default() -> Self {
        Self {
            expires_after: Some(Period::years(1)),
            rotates_every: None,
            rotation_lead: Period::zero(),
            overlap: Period::zero(),
            manual_regeneration: true,
            retrievable: false,
            approval: Approval::None,
            notify_before: vec![Period::days(7), Period::days(1)],
            rate_limit: None,
            quota: None,
        }
    }
}

impl Policy {
    /// Everything that is wrong with it, each with the pointer to its field; empty if it can be.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = self.zero_periods();
        errors.extend(self.rate_limit.iter().flat_map(|limit| limit.validate("/rate_limit")));
        errors.extend(self.quota.iter().flat_map(|quota| quota.validate("/quota")));
        if self.notify_before.len() > MAX_NOTIFICATIONS {
            let detail = format!("must have at most {MAX_NOTIFICATIONS} entries");
            errors.push(FieldError::new("/notify_before", detail));
        }
        if let Some(every) = self.rotates_every.filter(|every| !every.is_zero()) {
            errors.extend(self.misfits(&every));
        }
        errors
    }

    fn zero_periods(&self) -> Vec<FieldError> {
        let zero = |pointer: String| FieldError::new(pointer, "must be at least PT1S");
        let dates = [("/expires_after", self.expires_after), ("/rotates_every", self.rotates_every)];
        let dates = dates.into_iter().filter(|(_, period)| period.is_some_and(|period| period.is_zero()));
        let notices = self.notify_before.iter().enumerate().filter(|(_, period)| period.is_zero());
        dates
            .map(|(pointer, _)| zero(pointer.to_owned()))
            .chain(notices.map(|(index, _)| zero(format!("/notify_before/{index}"))))
            .collect()
    }

    /// What does not fit a rotation each `every`.
    fn misfits(&self, every: &Period) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if reaches(&self.rotation_lead, every, |lead, rotation| lead >= rotation) {
            errors.push(FieldError::new("/rotation_lead", "must be shorter than rotates_every"));
        }
        if reaches(&self.overlap, every, |overlap, rotation| overlap > rotation) {
            errors.push(FieldError::new("/overlap", "must not be longer than rotates_every"));
        }
        let never = |expires_after: Period| !rotation_can_come_first(every, &expires_after);
        if self.expires_after.filter(|period| !period.is_zero()).is_some_and(never) {
            errors.push(FieldError::new(
                "/rotates_every",
                "can never fall on or before the UTC day of the expiration; shorten it, or lengthen or leave \
                 out expires_after",
            ));
        }
        errors
    }
}

impl RateLimit {
    /// What is out of range, below `pointer`.
    pub fn validate(&self, pointer: &str) -> Vec<FieldError> {
        out_of_range(pointer, &[("limit", self.limit), ("burst", self.burst)])
    }
}

impl Quota {
    /// What is out of range, below `pointer`.
    pub fn validate(&self, pointer: &str) -> Vec<FieldError> {
        out_of_range(pointer, &[("limit", self.limit)])
    }
}

fn out_of_range(pointer: &str, values: &[(&str, u32)]) -> Vec<FieldError> {
    let wrong = values.iter().filter(|(_, value)| !(1..=MAX_LIMIT).contains(value));
    wrong.map(|(name, _)| FieldError::new(format!("{pointer}/{name}"), "must be 1 to 1000000000")).collect()
}

/// Whether for some start the shorter period ends beside the longer one as `too_far` says.
fn reaches(shorter: &Period, longer: &Period, too_far: impl Fn(Timestamp, Timestamp) -> bool) -> bool {
    let surely_shorter = shorter.longest_seconds() < longer.shortest_seconds();
    !surely_shorter && starts().any(|start| too_far(start.plus(shorter), start.plus(longer)))
}

/// Whether for some start the rotation falls on the UTC day of the expiration or an earlier one. Months
/// and days can't be compared without a calendar, so the calendar is asked.
fn rotation_can_come_first(every: &Period, expires_after: &Period) -> bool {
    if every.longest_seconds() <= expires_after.shortest_seconds() {
        return true;
    }
    if every.shortest_seconds() > expires_after.longest_seconds() + 86_400 {
        return false;
    }
    let comes_first = |start: Timestamp| start.plus(every).utc_day() <= start.plus(expires_after).utc_day();
    starts().any(|midnight| {
        // The day of the expiration is longest for a start that makes it begin with its day.
        let past_midnight = midnight.plus(expires_after).as_micros().rem_euclid(DAY_MICROS);
        let shifted =
            Timestamp::from_micros(midnight.as_micros() + (DAY_MICROS - past_midnight) % DAY_MICROS);
        comes_first(midnight) || comes_first(shifted)
    })
}

/// Midnight of each day of four years.
fn starts() -> impl Iterator<Item = Timestamp> {
    (0..STARTS).map(|day| Timestamp::from_micros(FIRST_START + day * DAY_MICROS))
}
