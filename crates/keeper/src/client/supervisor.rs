//! The thread that listens to the keeper, notices when it is gone, and starts it again after a pause that
//! grows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{Running, Starter};
use super::error::SpawnError;
use super::link::Shared;
use super::options::{BackOff, Notice};
use crate::tree::RootFingerprint;
use crate::wire::frame;

/// How long a process that closed its socket may take to end before it is killed.
const LAST_BREATH: Duration = Duration::from_millis(500);

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    starter: Starter,
    back_off: BackOff,
    root: RootFingerprint,
}

impl Supervisor {
    pub(super) fn new(
        shared: Arc<Shared>,
        starter: Starter,
        back_off: BackOff,
        root: RootFingerprint,
    ) -> Self {
        Self { shared, starter, back_off, root }
    }

    /// From the first keeper to the last. The first is connected already.
    pub(super) fn run(self, first: Running) {
        let mut next = Some(first);
        let mut pause = self.back_off.first;
        while let Some(running) = next {
            let stood_since = Instant::now();
            self.listen(running);
            if self.shared.is_stopping() {
                break;
            }
            if stood_since.elapsed() >= self.back_off.longest {
                pause = self.back_off.first;
            }
            next = self.start_again(&mut pause);
        }
        self.shared.ended();
    }

    /// Hands on answers until the keeper is gone.
    fn listen(&self, mut running: Running) {
        let process = running.process();
        let trouble = loop {
            match frame::read(running.socket()) {
                Ok(Some(frame)) => self.shared.deliver(frame),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        self.shared.disconnect();
        let status = running.end(LAST_BREATH);
        if !self.shared.is_stopping() {
            let reason = trouble.map_or(status.clone(), |trouble| format!("{trouble}; {status}"));
            self.shared.trouble(Notice::Lost { process, reason });
        }
    }

    /// Tries until a keeper stands, or none is wanted any more.
    fn start_again(&self, pause: &mut Duration) -> Option<Running> {
        loop {
            if self.shared.pause(*pause) {
                return None;
            }
            *pause = self.back_off.after(*pause);
            match self.restart() {
                Ok(running) => return Some(running),
                Err(error) => {
                    let explanation = error.to_string();
                    self.shared.trouble(Notice::NotStarted { explanation, retry_in: *pause });
                }
            }
        }
    }

    /// Starts one more. It is not asked for its keys: the parent has them, and a keeper with other keys is
    /// not the same keeper.
    fn restart(&self) -> Result<Running, SpawnError> {
        let running = self.starter.start()?;
        if running.root != self.root {
            return Err(SpawnError::AnotherRoot);
        }
        let ends = running.ends()?;
        self.shared.connect(ends, running.process(), running.warnings.clone(), true);
        Ok(running)
    }
}
