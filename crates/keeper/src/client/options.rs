//! How the keeper is started, and who is told how it fares.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::process::Options;

/// How to start the keeper.
#[derive(Debug, Clone)]
pub struct SpawnOptions {
    /// What is run.
    pub program: Program,
    /// What the process is told: folder, master key file, ceilings.
    pub process: Options,
    /// How long a call may take. 5 s if nothing else is said.
    pub deadline: Duration,
    /// How long the process may take until it stands; it reads its whole journal first. 60 s.
    pub start_deadline: Duration,
    /// How long to wait before it is started again.
    pub back_off: BackOff,
    /// Who is told when it comes and goes.
    pub observer: Option<Observer>,
}

impl SpawnOptions {
    /// The running program itself as `keeper run`, with every time at its usual length.
    pub fn new(process: Options) -> Self {
        Self {
            program: Program::RunningImage { arguments: vec!["keeper".into(), "run".into()] },
            process,
            deadline: Duration::from_secs(5),
            start_deadline: Duration::from_secs(60),
            back_off: BackOff::default(),
            observer: None,
        }
    }
}

/// The program that is the keeper. The process's own options follow after `arguments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The image that this process runs, whatever has been put in its place on the disk since.
    RunningImage { arguments: Vec<OsString> },
    /// Another program, for tests.
    Path { path: PathBuf, arguments: Vec<OsString> },
}

/// Pauses between restarts: the first, then twice as long each time up to the longest. A keeper that stood
/// for as long as the longest pause begins again with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(30) }
    }
}

impl BackOff {
    pub(super) fn after(self, pause: Duration) -> Duration {
        (pause * 2).min(self.longest)
    }
}

/// Something that an operator wants in the server's log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The keeper stands, at the first start or again.
    Started { process: u32, again: bool, warnings: Vec<String> },
    /// It is gone; it will be started again.
    Lost { process: u32, reason: String },
    /// It could not be started again; the next attempt is in `retry_in`.
    NotStarted { explanation: String, retry_in: Duration },
}

/// A function that is told every [`Notice`], from the supervisor's thread.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Notice) + Send + Sync>);

impl Observer {
    pub fn new(tell: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, notice: &Notice) {
        (self.0)(notice);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let back_off = BackOff::default();
        let mut pause = back_off.first;
        let mut pauses = Vec::new();
        for _ in 0..11 {
            pauses.push(pause.as_millis());
            pause = back_off.after(pause);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }
}
