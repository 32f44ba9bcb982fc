//! What limits count in: the period of a rate, and the UTC day or month of a quota (surface.md, "Bodies").

use super::{Policy, Quota, QuotaPeriod, RateLimit, RatePeriod};
use crate::time::Timestamp;

/// What one policy, API or shared key limits. Nothing at all is `Default`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CallLimits {
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
}

impl CallLimits {
    pub const fn is_none(&self) -> bool {
        self.rate_limit.is_none() && self.quota.is_none()
    }
}

impl Policy {
    pub const fn limits(&self) -> CallLimits {
        CallLimits { rate_limit: self.rate_limit, quota: self.quota }
    }
}

impl RatePeriod {
    pub const fn micros(self) -> u64 {
        match self {
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
        }
    }
}

/// The UTC day or month on which an instant falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWindow {
    /// A later window has a greater number: days or months since 1970.
    pub number: u32,
    /// The first instant of the next one.
    pub ends_at: Timestamp,
}

impl QuotaPeriod {
    /// Asked at calls of APIs, so in whole numbers alone.
    pub fn window(self, now: Timestamp) -> QuotaWindow {
        let day = now.as_micros().max(0) / DAY_MICROS;
        let (number, next) = match self {
            Self::Day => (day, day + 1),
            Self::Month => {
                let month = month_of(day);
                (month, first_day(month + 1))
            }
        };
        let ends_at = Timestamp::from_micros(next.saturating_mul(DAY_MICROS)).min(Timestamp::MAX);
        QuotaWindow { number: u32::try_from(number).unwrap_or(u32::MAX), ends_at }
    }
}

const DAY_MICROS: i64 = 86_400_000_000;
/// Four hundred years, after which the calendar returns.
const CYCLE_DAYS: i64 = 146_097;
/// From the first of March of the year 0, where a cycle begins, to 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// The month, since January 1970, of a day since then. Years are counted from March, so that the day that some have
/// more is their last.
const fn month_of(day: i64) -> i64 {
    let (cycle, day) = ((day + DAYS_BEFORE_1970) / CYCLE_DAYS, (day + DAYS_BEFORE_1970) % CYCLE_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Months since March of the year 0; 1970 began 22 before its own third, and 1970 years of twelve after.
    let month = (cycle * 400 + year) * 12 + (5 * day_of_year + 2) / 153;
    month + 2 - 1_970 * 12
}

/// The first day, since 1970, of a month since January 1970.
const fn first_day(month: i64) -> i64 {
    let march = month + 1_970 * 12 - 2;
    let (year, of_year) = (march / 12, march % 12);
    365 * year + year / 4 - year / 100 + year / 400 + (153 * of_year + 2) / 5 - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn windows_are_utc_days_and_calendar_months() {
        for (now, day, month) in [
            ("1970-01-01T00:00:00Z", (0, "1970-01-02T00:00:00Z"), (0, "1970-02-01T00:00:00Z")),
            ("2028-02-29T23:59:59.999999Z", (21_243, "2028-03-01T00:00:00Z"), (697, "2028-03-01T00:00:00Z")),
            ("2028-03-01T00:00:00Z", (21_244, "2028-03-02T00:00:00Z"), (698, "2028-04-01T00:00:00Z")),
            ("2026-12-31T12:00:00Z", (20_818, "2027-01-01T00:00:00Z"), (683, "2027-01-01T00:00:00Z")),
        ] {
            let windows = [QuotaPeriod::Day, QuotaPeriod::Month].map(|period| period.window(at(now)));
            assert_eq!(windows.map(|window| window.number), [day.0, month.0], "{now}");
            assert_eq!(windows.map(|window| window.ends_at), [at(day.1), at(month.1)], "{now}");
        }
    }

    #[test]
    fn every_day_of_centuries_has_the_month_of_the_calendar() {
        let mut day = jiff::civil::date(1970, 1, 1);
        for number in 0..250_000 {
            let now = Timestamp::from_micros(number * DAY_MICROS + 1);
            let window = QuotaPeriod::Month.window(now);
            let month = (i64::from(day.year()) - 1970) * 12 + i64::from(day.month()) - 1;
            assert_eq!(i64::from(window.number), month, "{day}");
            assert_eq!(window.ends_at.utc_day(), day.last_of_month().tomorrow().expect("a day"), "{day}");
            day = day.tomorrow().expect("a day");
        }
    }
}
