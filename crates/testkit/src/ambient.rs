//! The one place where tests ask their surroundings: the variables of the test command.

use std::ffi::OsString;
use std::hash::{BuildHasher as _, RandomState};

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

/// Says for how many seconds the soak goes on, in place of 60: `cargo xtask soak` sets it.
pub const SOAK_VARIABLE: &str = "CLAVIGER_TEST_SOAK_SECONDS";

/// What a line begins with by which the soak says what came of it.
pub const SOAK_SAYS: &str = "soak: ";

/// For how long the soak goes on.
#[expect(clippy::disallowed_methods, reason = "a long run of the same tests is told so by its command")]
pub fn soak_seconds() -> u64 {
    std::env::var(SOAK_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Names the seed of what a test does by chance, as a run before printed it.
pub const SEED_VARIABLE: &str = "CLAVIGER_TEST_SEED";

/// The seed of what a test does by chance: another one in each run, unless one is named.
#[expect(clippy::disallowed_methods, reason = "a run is done again with the seed that it printed")]
pub fn seed() -> u64 {
    let named = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
    named.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()))
}

#[expect(clippy::disallowed_methods, reason = "the one place where tests are told what already runs")]
pub(crate) fn handed_over_postgres() -> Option<String> {
    std::env::var(POSTGRES_VARIABLE).ok().filter(|url| !url.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "programs are looked for where the shell would")]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
