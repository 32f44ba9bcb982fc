//! The one place where tests ask their surroundings: the variables of the test command.

use std::ffi::OsString;

/// Names the URL of a running PostgreSQL whose databases tests may make and drop. `cargo xtask test` starts
/// one for the whole run; without it each test process starts its own.
pub const POSTGRES_VARIABLE: &str = "CLAVIGER_TEST_POSTGRES";

#[expect(clippy::disallowed_methods, reason = "the one place where tests are told what already runs")]
pub(crate) fn handed_over_postgres() -> Option<String> {
    std::env::var(POSTGRES_VARIABLE).ok().filter(|url| !url.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "programs are looked for where the shell would")]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
