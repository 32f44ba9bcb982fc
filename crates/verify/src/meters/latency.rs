//! How long an answer took, as one of some hundred classes: four to an octave, so that a class is at most a quarter
//! wider than its beginning.

/// A class of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Latency(u8);

/// Durations of half an hour and more are one class.
const LAST: u8 = 123;

impl Latency {
    /// The class of a duration in microseconds.
    pub const fn of(micros: u64) -> Self {
        // Below four microseconds a class has no room for quarters.
        let micros = if micros < 4 { 4 } else { micros };
        let octave = micros.ilog2();
        let quarter = (micros >> (octave - 2)) & 3;
        let class = octave as u64 * 4 + quarter;
        Self(if class > LAST as u64 { LAST } else { class as u8 })
    }

    /// The class of this number, if there is one.
    pub const fn from_number(number: i64) -> Option<Self> {
        if number >= 8 && number <= LAST as i64 { Some(Self(number as u8)) } else { None }
    }

    pub const fn number(self) -> u8 {
        self.0
    }

    /// The middle of the class, in microseconds.
    pub const fn micros(self) -> u64 {
        let (octave, quarter) = (self.0 as u32 / 4, self.0 as u64 % 4);
        let begins = (4 + quarter) << (octave - 2);
        begins + (1_u64 << (octave - 2)) / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_within_an_eighth_of_every_duration_in_it() {
        let mut micros = 4;
        while micros < 2_000_000_000 {
            let shown = Latency::of(micros).micros();
            assert!(shown.abs_diff(micros) * 8 <= micros, "{micros} is shown as {shown}");
            micros += micros / 7 + 1;
        }
    }

    #[test]
    fn classes_grow_with_durations_and_read_back() {
        let of = |micros| Latency::of(micros);
        assert!(of(0) == of(4) && of(4) < of(5) && of(1_000) < of(1_300) && of(u64::MAX) == of(1 << 40));
        for micros in [0, 17, 5_000, u64::MAX] {
            assert_eq!(Latency::from_number(i64::from(of(micros).number())), Some(of(micros)));
        }
        for number in [-1, 0, 7, 124, 300] {
            assert_eq!(Latency::from_number(number), None);
        }
    }
}
