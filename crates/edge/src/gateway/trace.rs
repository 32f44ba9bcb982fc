//! W3C trace context: a call that comes without a `traceparent` gets one, so that the upstream's spans and its
//! caller's logs can be told to belong together.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Makes ids that no other start of any node makes, from a seed that is different at each.
#[derive(Debug)]
pub(super) struct Traces {
    seed: [u64; 2],
    made: AtomicU64,
}

impl Traces {
    pub(super) const fn new(seed: [u8; 16]) -> Self {
        let seed = u128::from_be_bytes(seed);
        Self { seed: [(seed >> 64) as u64, seed as u64], made: AtomicU64::new(0) }
    }

    /// Leaves a good `traceparent` as it is, and puts a new one in the place of none or a bad one.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        let mut given = headers.get_all(&PARENT).iter();
        let good = matches!((given.next(), given.next()), (Some(only), None) if is_good(only.as_bytes()));
        if good {
            return;
        }
        headers.remove(&STATE);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut text = String::with_capacity(55);
        let (first, second) = (mixed(self.seed[1] ^ number), mixed(self.seed[0].wrapping_add(number)) | 1);
        let _ = write!(text, "00-{:016x}{first:016x}-{second:016x}-01", self.seed[0] | 1);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(PARENT, value);
        }
    }
}

/// A number that tells nothing of its neighbours (the finalizer of SplitMix64).
const fn mixed(number: u64) -> u64 {
    let one = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    two ^ (two >> 31)
}

/// `00-` and 32, 16 and 2 hexadecimal digits; neither id all zeros. A later version may have more behind it.
fn is_good(value: &[u8]) -> bool {
    let hex = |from: usize, to: usize| {
        value[from..to].iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
    };
    let ends = match value.len() {
        55 => true,
        longer => longer > 55 && longer <= 512 && value[55] == b'-' && &value[..2] != b"00",
    };
    ends && [2, 35, 52].iter().all(|dash| value[*dash] == b'-')
        && hex(0, 2)
        && &value[..2] != b"ff"
        && hex(3, 35)
        && hex(36, 52)
        && hex(53, 55)
        && value[3..35].iter().any(|byte| *byte != b'0')
        && value[36..52].iter().any(|byte| *byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_good_one_is_left_and_every_other_replaced() {
        let traces = Traces::new([7; 16]);
        let mut headers = HeaderMap::new();
        headers.insert(PARENT, HeaderValue::from_static(GOOD));
        headers.insert(STATE, HeaderValue::from_static("a=1"));
        traces.put(&mut headers);
        assert_eq!(
            (&headers[PARENT], &headers[STATE]),
            (&GOOD.parse().expect("it"), &"a=1".parse().expect("it"))
        );
        for bad in [
            "",
            "00-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            headers.insert(PARENT, bad.parse().expect("a value"));
            headers.insert(STATE, HeaderValue::from_static("a=1"));
            traces.put(&mut headers);
            assert!(headers[PARENT] != bad && is_good(headers[PARENT].as_bytes()), "{bad}");
            assert!(!headers.contains_key(STATE));
        }
    }

    #[test]
    fn each_is_another() {
        let traces = Traces::new([9; 16]);
        let mut made: Vec<HeaderValue> = (0..1_000)
            .map(|_| {
                let mut headers = HeaderMap::new();
                traces.put(&mut headers);
                headers[PARENT].clone()
            })
            .collect();
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 1_000);
    }
}
