//! Log lines on the error output: for people, or one JSON object per line. Fields are structured, and
//! escaped by whoever writes the line.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::configuration::{LogFormat, LogSettings};

/// Begins to write log lines. The filter was checked with the configuration.
pub(crate) fn begin(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second call, in a test for one, finds the first one's lines good enough.
    let _ = match settings.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Human => lines.with_ansi(io::stderr().is_terminal()).with_target(false).try_init(),
    };
}
