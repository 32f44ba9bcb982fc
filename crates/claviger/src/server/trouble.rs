//! What goes wrong again and again, told once.

use std::fmt::Display;

/// A trouble that lasts is one line when it begins, and one when it is over.
pub(super) struct Trouble {
    sentence: &'static str,
    lasts: bool,
}

impl Trouble {
    pub(super) const fn new(sentence: &'static str) -> Self {
        Self { sentence, lasts: false }
    }

    pub(super) fn note<E: Display>(&mut self, result: Result<(), E>) {
        match result {
            Err(error) if !self.lasts => {
                self.lasts = true;
                tracing::warn!(%error, "{}", self.sentence);
            }
            Ok(()) if self.lasts => {
                self.lasts = false;
                tracing::info!("over: {}", self.sentence);
            }
            _ => {}
        }
    }
}
