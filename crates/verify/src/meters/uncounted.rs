//! Counts a call that whoever made it gave up, while others were asked whether a limit allows it.

use std::net::IpAddr;

use claviger_domain::decision::Code;

use super::Meters;
use super::usage::Seen;

/// A call that waits for what limits it. Dropped, it is counted as it stood: nobody knows any more what was answered,
/// and it may have used up what it asked for.
#[derive(Debug)]
#[must_use = "it is counted when it is dropped"]
pub struct Uncounted<'m> {
    meters: &'m Meters,
    code: Code,
    seen: Seen,
    source: Option<IpAddr>,
    heard: bool,
}

impl<'m> Uncounted<'m> {
    pub(super) const fn new(meters: &'m Meters, code: Code, seen: Seen, source: Option<IpAddr>) -> Self {
        Self { meters, code, seen, source, heard: false }
    }

    /// The answer came: the decision that it led to is counted in place of this.
    pub fn heard(mut self) {
        self.heard = true;
    }
}

impl Drop for Uncounted<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.meters.count(self.code, self.seen, self.source);
        }
    }
}
