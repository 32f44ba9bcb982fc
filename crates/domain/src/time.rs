//! Instants and periods. An instant is whole microseconds since 1970 UTC, which is what both databases
//! keep. A period is an ISO 8601 duration; its months are calendar months in UTC (product.md D16).

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, ToSpan as _};

/// An instant, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-30T00:00:00Z, the last day that calendars in every zone can show.
    pub const MAX: Self = Self(253_402_128_000_000_000);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant moved forward by a calendar period, the last day of the month taking the place of
    /// one that does not exist. Stops at the end of the year 9999.
    #[must_use]
    pub fn plus(self, period: &Period) -> Self {
        self.moved(period.span)
    }

    /// This instant moved back by a calendar period.
    #[must_use]
    pub fn minus(self, period: &Period) -> Self {
        self.moved(period.span.negate())
    }

    /// Whole seconds from `earlier` to this instant, negative if this one is the earlier.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).div_euclid(1_000_000)
    }

    /// Moved by seconds, for technical time-outs.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The UTC day on which the instant falls.
    pub fn utc_day(self) -> Date {
        self.zoned().date()
    }

    fn moved(self, span: Span) -> Self {
        match self.zoned().checked_add(span) {
            Ok(moved) => Self(moved.timestamp().as_microsecond()),
            Err(_) if span.is_negative() => Self::MIN,
            Err(_) => Self::MAX,
        }
    }

    fn zoned(self) -> jiff::Zoned {
        jiff::Timestamp::from_microsecond(self.0.clamp(Self::MIN.0, Self::MAX.0))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(TimeZone::UTC)
    }
}

/// RFC 3339 in UTC, with as many decimals as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.zoned().timestamp(), f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time in RFC 3339, such as 2026-07-01T12:00:00Z, between the years 1970 and 9999")]
pub struct InvalidTimestamp;

/// RFC 3339 with any offset, or a plain date, which is 00:00 UTC.
impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed = if text.len() == 10 {
            let date = text.parse::<Date>().map_err(|_| InvalidTimestamp)?;
            date.to_zoned(TimeZone::UTC).map_err(|_| InvalidTimestamp)?.timestamp()
        } else {
            text.parse::<jiff::Timestamp>().map_err(|_| InvalidTimestamp)?
        };
        let micros = parsed.as_microsecond();
        if micros < 0 { Err(InvalidTimestamp) } else { Ok(Self(micros)) }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A length of time as people say it: ISO 8601, years to seconds, never negative.
#[derive(Clone, Copy)]
pub struct Period {
    span: Span,
}

/// The text is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 duration from PT1S to P100Y, such as P30D or P1Y6M")]
pub struct InvalidPeriod;

impl Period {
    pub fn zero() -> Self {
        Self { span: Span::new() }
    }

    pub fn days(days: i32) -> Self {
        Self { span: days.days() }
    }

    pub fn years(years: i16) -> Self {
        Self { span: years.years() }
    }

    pub fn is_zero(&self) -> bool {
        self.span.is_zero()
    }

    /// How long the period is at most, in seconds, whatever the months it meets.
    pub fn longest_seconds(&self) -> i64 {
        self.bound(366, 31)
    }

    /// How long the period is at least, in seconds, whatever the months it meets.
    pub fn shortest_seconds(&self) -> i64 {
        self.bound(365, 28)
    }

    fn bound(&self, year: i64, month: i64) -> i64 {
        let months = i64::from(self.span.get_months());
        let years = i64::from(self.span.get_years()) + if year == 366 { 0 } else { months / 12 };
        let months = if year == 366 { months } else { months % 12 };
        let days = years * year
            + months * month
            + i64::from(self.span.get_weeks()) * 7
            + i64::from(self.span.get_days());
        days * 86_400
            + i64::from(self.span.get_hours()) * 3_600
            + self.span.get_minutes() * 60
            + self.span.get_seconds()
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    /// Takes zero too; who demands more than zero says so with the field's name.
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let canonical = text.starts_with('P') && !text.contains(['.', ',', '-', '+']);
        let span: Span = text.parse().ok().filter(|_| canonical).ok_or(InvalidPeriod)?;
        let century = 100.years();
        let anchor = jiff::civil::date(2000, 1, 1);
        let order = span.compare((century, SpanRelativeTo::from(anchor))).map_err(|_| InvalidPeriod)?;
        if order.is_gt() || span.is_negative() { Err(InvalidPeriod) } else { Ok(Self { span }) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            // The specification's own spelling of nothing.
            return f.write_str("P0D");
        }
        fmt::Display::fmt(&self.span, f)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.span.fieldwise() == other.span.fieldwise()
    }
}

impl Eq for Period {}

impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn period(text: &str) -> Period {
        text.parse().expect("a period")
    }

    #[test]
    fn months_are_calendar_months_in_utc() {
        for (start, length, end) in [
            ("2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"),
            ("2028-01-31T10:00:00Z", "P1M", "2028-02-29T10:00:00Z"),
            ("2028-02-29T00:00:00Z", "P1Y", "2029-02-28T00:00:00Z"),
            ("2026-03-28T23:30:00Z", "P1D", "2026-03-29T23:30:00Z"),
            ("2026-12-31T23:59:59Z", "PT1S", "2027-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "P1Y2M3W4DT5H6M7S", "2027-03-26T05:06:07Z"),
        ] {
            assert_eq!(at(start).plus(&period(length)), at(end), "{start} + {length}");
        }
        assert_eq!(at("2026-03-31T00:00:00Z").minus(&period("P1M")), at("2026-02-28T00:00:00Z"));
    }

    #[test]
    fn the_end_of_time_is_reached_and_not_passed() {
        let far = at("9999-12-01T00:00:00Z").plus(&period("P100Y"));
        assert!(far > at("9999-12-29T00:00:00Z"), "{far}");
        assert_eq!(far.plus(&period("P1D")), far);
    }

    #[test]
    fn instants_are_written_and_read() {
        assert_eq!(at("2026-07-01").to_string(), "2026-07-01T00:00:00Z");
        assert_eq!(at("2026-07-01T02:00:00.25+02:00").to_string(), "2026-07-01T00:00:00.25Z");
        for wrong in ["", "today", "2026-13-01", "1969-12-31T23:59:59Z", "2026-07-01T00:00:00", "20260701"] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
        assert_eq!(at("2026-07-01T00:00:01Z").seconds_since(at("2026-07-01")), 1);
    }

    #[test]
    fn periods_are_written_and_read() {
        for text in ["PT1S", "P30D", "P1Y", "P1Y6M", "P2W", "PT36H", "P100Y", "P0D"] {
            assert_eq!(period(text).to_string(), text);
        }
        assert_eq!(period("PT0S").to_string(), "P0D");
        for wrong in ["", "P", "30D", "P-1D", "-P1D", "PT0.5S", "P100Y1D", "P1.5D", "p1d", "P1H", "+P1D"] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_bounds_of_a_period_hold_wherever_it_begins() {
        for text in ["P1M", "P1Y", "P13M", "P1M3DT4H", "P24M", "P2W"] {
            let (length, mut start) = (period(text), at("2026-01-01"));
            for _ in 0..1_500 {
                let seconds = start.plus(&length).seconds_since(start);
                assert!(
                    (length.shortest_seconds()..=length.longest_seconds()).contains(&seconds),
                    "{text} {start}"
                );
                start = start.plus(&Period::days(1));
            }
        }
    }
}
