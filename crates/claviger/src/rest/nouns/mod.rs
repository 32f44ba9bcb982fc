//! The table of commands: every noun of the REST API that a shell can use, with its verbs.

mod catalog;
mod git_integrations;
mod jobs;
mod key_pairs;
mod people;
mod sharing;
mod usage;
mod workspace;

use super::verb::{Flag, Noun, parameter, text};

/// All nouns, in the order of the help.
pub(crate) const NOUNS: &[&Noun] = &[
    &people::ORGANIZATIONS,
    &people::GROUPS,
    &people::MEMBERS,
    &people::ENVIRONMENTS,
    &catalog::APIS,
    &sharing::SHARED_KEYS,
    &workspace::APPLICATIONS,
    &workspace::SUBSCRIPTIONS,
    &catalog::POLICY_TEMPLATES,
    &workspace::KEY_SETS,
    &key_pairs::KEY_PAIRS,
    &people::PERMISSIONS,
    &people::PERMISSION_GROUPS,
    &people::SERVICE_KEYS,
    &git_integrations::GIT_INTEGRATIONS,
    &jobs::JOBS,
    &usage::USAGE,
    &people::EVENTS,
    &people::NODES,
];

/// What an act may be told.
const ACT: &[Flag] = &[text("reason", "Why; kept in the log")];
/// A search in names.
const SEARCH: &[Flag] = &[parameter("q", "Part of the name, in any case")];
/// The name alone.
const NAME: &[Flag] = &[text("name", "1 to 100 characters").required()];

pub(super) use people::{EVENT_COLUMNS, EVENT_FILTERS};

/// What the two commands do that read a secret: `verify -` and `which-key -`.
pub(super) const SECRET_COMMANDS: [&str; 2] =
    ["Ask whether a credential, read from standard input, opens the door", "Ask which key a pasted value is"];
