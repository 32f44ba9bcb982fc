//! Counters that many threads may count in and one empties, without a lock: every call is counted once and taken
//! out once. A counter that has nothing more to count is vacated, and then counts something else.
//!
//! Counters stand in windows of eight. The eight states of a window are one cache line: each holds, in one word,
//! the generation of its counter, a tag, and the count itself. So a count can be raised, or taken, only as long as
//! the counter still counts the same thing; a word that was read before fails to be exchanged.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use claviger_domain::decision::Code;
use claviger_domain::id::{ApiId, KeyId, KeySetId, ServiceKeyId, SharedKeyId};
use claviger_domain::usage::UsedKey;

use super::latency::Latency;
use super::usage::{Measure, Minute, Seen, Usage};

const COUNTERS: usize = 8;
const WORDS: usize = 8;

/// Tables, each made when the one before has no room. Only the newest counts on, so that a call looks at one window;
/// the others are emptied, and what stands in two of them is one to whoever collects.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    sizes: &'static [usize],
    segments: [OnceLock<Segment>; N],
    newest: AtomicUsize,
}

impl<const N: usize> Table<N> {
    /// `sizes` are in windows, powers of two.
    pub(super) const fn new(sizes: &'static [usize]) -> Self {
        Self { sizes, segments: [const { OnceLock::new() }; N], newest: AtomicUsize::new(0) }
    }

    /// Counts a call; false if there is no room for what it is counted by.
    pub(super) fn count(&self, seen: &Seen, source: Option<IpAddr>) -> bool {
        let body = Body::of(seen);
        let hash = body.hash();
        let newest = self.newest.load(Ordering::Relaxed);
        (newest..self.segments.len()).any(|at| {
            let segment = self.segments[at].get_or_init(|| Segment::of(self.sizes[at]));
            if at > newest {
                // Now that it is there, so that nobody waits for it but those that the last had no room for.
                self.newest.fetch_max(at, Ordering::Relaxed);
            }
            segment.window(hash).count(&body, State::tag_of(hash), source)
        })
    }

    /// Takes all that was counted, and vacates what counted nothing since and is of an earlier minute than `now`.
    /// One at a time.
    pub(super) fn drain(&self, now: Minute, mut take: impl FnMut(Usage)) {
        let windows = self.segments.iter().filter_map(OnceLock::get).flat_map(Segment::windows);
        windows.for_each(|window| window.drain(now, &mut take));
    }
}

/// Counters, in windows. All states stand together: a call that finds no room has looked at nothing else.
#[derive(Debug)]
struct Segment {
    states: Box<[States]>,
    counted: Box<[Counted]>,
}

/// The states of a window, on one line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct States([AtomicU64; COUNTERS]);

/// What the counters of a window count.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counted {
    bodies: [[AtomicU64; WORDS]; COUNTERS],
    /// From where the first call came.
    sources: [[AtomicU64; 2]; COUNTERS],
}

/// Eight counters.
struct Window<'s> {
    states: &'s [AtomicU64; COUNTERS],
    bodies: &'s [[AtomicU64; WORDS]; COUNTERS],
    sources: &'s [[AtomicU64; 2]; COUNTERS],
}

impl Segment {
    /// Of so many windows, a power of two.
    fn of(windows: usize) -> Self {
        let states = (0..windows).map(|_| States::default()).collect();
        Self { states, counted: (0..windows).map(|_| Counted::default()).collect() }
    }

    fn window(&self, hash: u64) -> Window<'_> {
        let at = hash as usize & (self.states.len() - 1);
        Window::of(&self.states[at], &self.counted[at])
    }

    fn windows(&self) -> impl Iterator<Item = Window<'_>> {
        self.states.iter().zip(&self.counted).map(|(states, counted)| Window::of(states, counted))
    }
}

impl<'s> Window<'s> {
    const fn of(states: &'s States, counted: &'s Counted) -> Self {
        Self { states: &states.0, bodies: &counted.bodies, sources: &counted.sources }
    }

    fn count(&self, body: &Body, tag: u64, source: Option<IpAddr>) -> bool {
        (0..COUNTERS).any(|at| {
            let mut state = State(self.states[at].load(Ordering::Acquire));
            loop {
                let raised = match state.phase() {
                    Phase::Vacant => match self.exchange(at, state, state.filling()) {
                        Ok(()) => {
                            self.fill(at, body, state.live(tag), source);
                            return true;
                        }
                        Err(now) => Err(now),
                    },
                    Phase::Live if state.tag() == tag && state.has_room() && self.counts(at, body) => {
                        self.exchange(at, state, state.raised())
                    }
                    Phase::Live | Phase::Filling => return false,
                };
                match raised {
                    Ok(()) => return true,
                    Err(now) => state = now,
                }
            }
        })
    }

    /// Only by the thread that holds the counter as `Filling`.
    fn fill(&self, at: usize, body: &Body, live: State, source: Option<IpAddr>) {
        // Whoever reads any of what follows finds that the state has changed.
        fence(Ordering::Release);
        for (word, value) in self.bodies[at].iter().zip(body.0) {
            word.store(value, Ordering::Relaxed);
        }
        for (word, value) in self.sources[at].iter().zip(source_words(source)) {
            word.store(value, Ordering::Relaxed);
        }
        self.states[at].store(live.0, Ordering::Release);
    }

    fn counts(&self, at: usize, body: &Body) -> bool {
        let same =
            self.bodies[at].iter().zip(body.0).all(|(word, value)| word.load(Ordering::Relaxed) == value);
        // The state is compared after what it stands for.
        fence(Ordering::Acquire);
        same
    }

    fn drain(&self, now: Minute, take: &mut impl FnMut(Usage)) {
        for at in 0..COUNTERS {
            let mut state = State(self.states[at].load(Ordering::Acquire));
            while state.phase() == Phase::Live {
                // Only here is anything vacated, so what it counts stays what it is.
                let body = Body(self.bodies[at].each_ref().map(|word| word.load(Ordering::Relaxed)));
                let taken = state.count();
                if taken == 0 && body.minute() >= now {
                    break;
                }
                let next = if taken > 0 { state.emptied() } else { state.vacated() };
                match self.exchange(at, state, next) {
                    Ok(()) if taken > 0 => {
                        if let Some(seen) = body.seen() {
                            let source = self.sources[at].each_ref().map(|word| word.load(Ordering::Relaxed));
                            take(seen.calls(taken, source_of(source)));
                        }
                        state = next;
                    }
                    Ok(()) => break,
                    Err(changed) => state = changed,
                }
            }
        }
    }

    fn exchange(&self, at: usize, old: State, new: State) -> Result<(), State> {
        let exchanged = self.states[at].compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Acquire);
        exchanged.map(drop).map_err(State)
    }
}

/// Generation, phase, tag and count of a counter in one word.
#[derive(Debug, Clone, Copy)]
struct State(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Vacant,
    Filling,
    Live,
}

const COUNT_MASK: u64 = (1 << 32) - 1;
const TAG_SHIFT: u32 = 32;
const TAG_MASK: u64 = (1 << 14) - 1;
const FILLING: u64 = 1 << 46;
const LIVE: u64 = 1 << 47;
const GENERATION: u64 = 1 << 48;

impl State {
    /// The lower bits of the hash choose the window.
    const fn tag_of(hash: u64) -> u64 {
        hash >> 50
    }

    const fn phase(self) -> Phase {
        match self.0 & (FILLING | LIVE) {
            0 => Phase::Vacant,
            LIVE => Phase::Live,
            _ => Phase::Filling,
        }
    }

    const fn tag(self) -> u64 {
        self.0 >> TAG_SHIFT & TAG_MASK
    }

    const fn count(self) -> u64 {
        self.0 & COUNT_MASK
    }

    const fn has_room(self) -> bool {
        self.count() < COUNT_MASK
    }

    const fn raised(self) -> Self {
        Self(self.0 + 1)
    }

    const fn emptied(self) -> Self {
        Self(self.0 & !COUNT_MASK)
    }

    const fn filling(self) -> Self {
        Self(self.0 | FILLING)
    }

    /// With one call already.
    const fn live(self, tag: u64) -> Self {
        Self(self.generation() | LIVE | tag << TAG_SHIFT | 1)
    }

    const fn vacated(self) -> Self {
        Self(self.generation().wrapping_add(GENERATION))
    }

    const fn generation(self) -> u64 {
        self.0 & !(GENERATION - 1)
    }
}

/// What calls are counted by, as words.
#[derive(Debug, Clone, Copy)]
struct Body([u64; WORDS]);

const HAS_API: u64 = 1;
const HAS_KEY: u64 = 1 << 1;
const HAS_SHARED_KEY: u64 = 1 << 2;
const HAS_SERVICE_KEY: u64 = 1 << 3;
const IS_ANSWERED: u64 = 1 << 4;
const IS_SIGN_IN: u64 = 1 << 5;
const MEASURE_SHIFT: u32 = 8;
const MINUTE_SHIFT: u32 = 32;

impl Body {
    fn of(seen: &Seen) -> Self {
        let (key_flag, key, key_set) = match seen.key {
            None => (0, [0; 2], [0; 2]),
            Some(UsedKey::Key { id, key_set_id }) => {
                (HAS_KEY, halves(id.as_u128()), halves(key_set_id.as_u128()))
            }
            Some(UsedKey::Shared(id)) => (HAS_SHARED_KEY, halves(id.as_u128()), [0; 2]),
            Some(UsedKey::Service(id)) => (HAS_SERVICE_KEY, halves(id.as_u128()), [0; 2]),
        };
        let (measure_flag, measure) = match seen.measure {
            Measure::Decided(code) => (0, code as u64),
            Measure::Answered(latency) => (IS_ANSWERED, u64::from(latency.number())),
            Measure::SignedIn => (IS_SIGN_IN, 0),
        };
        let (api_flag, api) = seen.api_id.map_or((0, [0; 2]), |id| (HAS_API, halves(id.as_u128())));
        let flags = key_flag | measure_flag | api_flag;
        let meta = u64::from(seen.minute.0) << MINUTE_SHIFT | measure << MEASURE_SHIFT | flags;
        Self([key[0], key[1], api[0], api[1], key_set[0], key_set[1], meta, 0])
    }

    /// `None` if it was never written by [`Self::of`].
    fn seen(self) -> Option<Seen> {
        let [key_high, key_low, api_high, api_low, set_high, set_low, meta, _] = self.0;
        let has = |flag| meta & flag != 0;
        let id = whole(key_high, key_low).to_be_bytes();
        let key = match meta & (HAS_KEY | HAS_SHARED_KEY | HAS_SERVICE_KEY) {
            HAS_KEY => {
                let key_set_id = KeySetId::from_bytes(whole(set_high, set_low).to_be_bytes());
                Some(UsedKey::Key { id: KeyId::from_bytes(id), key_set_id })
            }
            HAS_SHARED_KEY => Some(UsedKey::Shared(SharedKeyId::from_bytes(id))),
            HAS_SERVICE_KEY => Some(UsedKey::Service(ServiceKeyId::from_bytes(id))),
            _ => None,
        };
        let number = (meta >> MEASURE_SHIFT & 0xff) as u8;
        let measure = match meta & (IS_ANSWERED | IS_SIGN_IN) {
            IS_ANSWERED => Measure::Answered(Latency::from_number(i64::from(number))?),
            IS_SIGN_IN => Measure::SignedIn,
            _ => Measure::Decided(*Code::ALL.get(usize::from(number))?),
        };
        let api_id = has(HAS_API).then(|| ApiId::from_bytes(whole(api_high, api_low).to_be_bytes()));
        Some(Seen { minute: self.minute(), api_id, key, measure })
    }

    const fn minute(self) -> Minute {
        Minute((self.0[6] >> MINUTE_SHIFT) as u32)
    }

    /// Ids end in random bits.
    const fn hash(self) -> u64 {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = self.0[1] ^ self.0[3].rotate_left(23) ^ self.0[6].wrapping_mul(SPREAD);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(SPREAD);
        mixed ^ mixed >> 32
    }
}

const fn halves(id: u128) -> [u64; 2] {
    [(id >> 64) as u64, id as u64]
}

const fn whole(high: u64, low: u64) -> u128 {
    (high as u128) << 64 | low as u128
}

/// An address as two words; that of nobody is the unspecified one.
fn source_words(source: Option<IpAddr>) -> [u64; 2] {
    let address = match source {
        None => 0,
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
        Some(IpAddr::V6(address)) => address.to_bits(),
    };
    halves(address)
}

fn source_of([high, low]: [u64; 2]) -> Option<IpAddr> {
    let address = std::net::Ipv6Addr::from_bits(whole(high, low));
    (!address.is_unspecified()).then(|| IpAddr::V6(address).to_canonical())
}
