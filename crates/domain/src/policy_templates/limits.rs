//! What limits count in: the period of a rate, and the UTC day or month of a quota (surface.md, "Bodies").

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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
    pub fn window(self, now: Timestamp) -> QuotaWindow {
        let day = now.utc_day();
        match self {
            Self::Day => QuotaWindow {
                number: u32::try_from(now.as_micros() / DAY_MICROS).unwrap_or(0),
                ends_at: midnight(day.saturating_add(1.day())),
            },
            Self::Month => QuotaWindow {
                number: u32::try_from((i32::from(day.year()) - 1970) * 12 + i32::from(day.month()) - 1)
                    .unwrap_or(0),
                ends_at: midnight(day.first_of_month().saturating_add(1.month())),
            },
        }
    }
}

const DAY_MICROS: i64 = 86_400_000_000;

fn midnight(day: Date) -> Timestamp {
    let zoned = day.to_zoned(TimeZone::UTC);
    zoned.map_or(Timestamp::MAX, |zoned| Timestamp::from_micros(zoned.timestamp().as_microsecond()))
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
}
