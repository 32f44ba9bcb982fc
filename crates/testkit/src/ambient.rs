//! The one place where tests ask their surroundings: the variables of the test command.

use std::ffi::OsString;

/// Names the URL of a running PostgreSQL whose databases tests may make and drop. `cargo xtask test` starts
/// one for the whole run; without it each test process starts its own.
pub const POSTGRES_VARIABLE: &str = "CLAVIGER_TEST_POSTGRES";

/// Says how often the crash tests end what they test, in place of 10: `cargo xtask soak` sets it.
pub const KILLS_VARIABLE: &str = "CLAVIGER_TEST_KILLS";

/// How often a crash test ends what it tests.
#[expect(clippy::disallowed_methods, reason = "a long run of the same tests is told so by its command")]
pub fn kills() -> u32 {
    std::env::var(KILLS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[expect(clippy::disallowed_methods, reason = "the one place where tests are told what already runs")]
pub(crate) fn handed_over_postgres() -> Option<String> {
    std::env::var(POSTGRES_VARIABLE).ok().filter(|url| !url.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "programs are looked for where the shell would")]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
