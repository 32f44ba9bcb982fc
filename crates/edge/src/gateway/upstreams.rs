//! The upstreams: what is known of each address, and in which order a call tries them. One that could not be
//! reached is passed over for a while, unless there is no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use claviger_domain::apis::Upstream;
use claviger_domain::time::Timestamp;
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// For how long an upstream that could not be reached is passed over.
const REST_MICROS: i64 = 10_000_000;
/// So many are remembered; beyond, what was known is forgotten.
const MOST: usize = 4_096;

/// One upstream's address.
#[derive(Debug)]
pub(super) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at the end.
    path: Box<str>,
    rests_until: AtomicI64,
}

/// All that calls went to.
#[derive(Debug, Default)]
pub(super) struct Targets {
    known: ArcSwap<HashMap<Box<str>, Arc<Target>>>,
    turn: AtomicUsize,
}

impl Targets {
    /// In the order in which a call tries them: by turns, those that rest at the end.
    pub(super) fn in_order(&self, upstreams: &[Upstream], now: Timestamp) -> Vec<Arc<Target>> {
        let mut targets: Vec<Arc<Target>> =
            upstreams.iter().filter_map(|upstream| self.target(upstream)).collect();
        if targets.len() > 1 {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % targets.len();
            targets.rotate_left(turn);
            targets.sort_by_key(|target| target.rests(now));
        }
        targets
    }

    fn target(&self, upstream: &Upstream) -> Option<Arc<Target>> {
        if let Some(target) = self.known.load().get(upstream.as_str()) {
            return Some(Arc::clone(target));
        }
        let target = Arc::new(Target::parse(upstream.as_str())?);
        self.known.rcu(|known| {
            let mut known = if known.len() < MOST { HashMap::clone(known) } else { HashMap::new() };
            known.insert(upstream.as_str().into(), Arc::clone(&target));
            known
        });
        Some(target)
    }
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        let parts = text.parse::<Uri>().ok()?.into_parts();
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        let (scheme, authority) = (parts.scheme?, parts.authority?);
        Some(Self { scheme, authority, path: path.into(), rests_until: AtomicI64::new(i64::MIN) })
    }

    fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.load(Ordering::Relaxed) > now.as_micros()
    }

    pub(super) fn was_reached(&self) {
        if self.rests_until.load(Ordering::Relaxed) != i64::MIN {
            self.rests_until.store(i64::MIN, Ordering::Relaxed);
        }
    }

    pub(super) fn was_not_reached(&self, now: Timestamp) {
        self.rests_until.store(now.as_micros().saturating_add(REST_MICROS), Ordering::Relaxed);
    }

    pub(super) fn is_plain(&self) -> bool {
        self.scheme == Scheme::HTTP
    }

    /// The address of a call: the upstream's own path, then the caller's, byte for byte.
    pub(super) fn uri(&self, rest: &str, query: Option<&str>) -> Option<Uri> {
        let mut text = String::with_capacity(self.path.len() + rest.len() + 64);
        text.push_str(&self.path);
        text.push_str(rest);
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok()?)
            .build()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Upstream {
        Upstream::new(text).expect("an upstream")
    }

    #[test]
    fn the_callers_path_stands_behind_the_upstreams_own() {
        for (own, rest, query, expected) in [
            ("http://a:1", "", None, "http://a:1/"),
            ("http://a:1/", "/x", None, "http://a:1/x"),
            ("https://a/v2/", "/x//%2f?", None, "https://a/v2/x//%2f?"),
            ("https://a/v2", "", Some("b=%20&c"), "https://a/v2?b=%20&c"),
            ("http://[::1]:9", "//evil.example/", Some(""), "http://[::1]:9//evil.example/?"),
        ] {
            let target = Target::parse(own).expect(own);
            let rest = rest.trim_end_matches('?');
            let expected = expected.replace("%2f?", "%2f");
            assert_eq!(target.uri(rest, query).map(|uri| uri.to_string()), Some(expected), "{own}");
        }
    }

    #[test]
    fn turns_are_taken_and_one_that_rests_comes_last() {
        let targets = Targets::default();
        let upstreams = [upstream("http://a"), upstream("http://b"), upstream("http://c")];
        let now = Timestamp::from_micros(1_000_000_000);
        let first = |now| targets.in_order(&upstreams, now)[0].authority.to_string();
        assert_eq!([first(now), first(now), first(now), first(now)], ["a", "b", "c", "a"]);
        targets.target(&upstreams[1]).expect("b").was_not_reached(now);
        let orders: Vec<String> =
            (0..6).map(|_| targets.in_order(&upstreams, now)[2].authority.to_string()).collect();
        assert!(orders.iter().all(|last| last == "b"), "{orders:?}");
        let later = Timestamp::from_micros(now.as_micros() + REST_MICROS);
        assert!((0..3).any(|_| first(later) == "b"));
        targets.target(&upstreams[1]).expect("b").was_reached();
        assert!((0..3).any(|_| first(now) == "b"));
    }
}
