//! The commands of the REST API that are no noun and verb: they read a secret from standard input, or do
//! not end.

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};

use super::documents;
use super::nouns::{EVENT_FILTERS, SECRET_COMMANDS};
use super::request::{Asks, Place, Request, parameters_of};
use super::{flag_argument, place_arguments};

/// Adds them to the program.
pub(super) fn commands(program: Command) -> Command {
    program.subcommand(verify_command()).subcommand(which_key_command())
}

/// `events tail`.
pub(super) fn tail_command() -> Command {
    let command = Command::new("tail")
        .about("Print new events as they happen, until interrupted; a server that is away is tried again");
    place_arguments(command).args(EVENT_FILTERS.iter().map(flag_argument))
}

/// The request of one of these commands, if it is one.
pub(super) fn request(name: &str, matches: &ArgMatches) -> Result<Option<Request>, String> {
    let (asks, matches) = match name {
        "verify" => (Asks::Verify { body: verify_body(matches) }, matches),
        "which-key" => (Asks::WhichKey, matches),
        "events" => match matches.subcommand() {
            Some(("tail", matches)) => {
                (Asks::Tail { query: parameters_of(EVENT_FILTERS.iter(), matches) }, matches)
            }
            _ => return Ok(None),
        },
        "apis" => match matches.subcommand() {
            Some(("openapi", matches)) => match documents::request(matches)? {
                Some(request) => request,
                None => return Ok(None),
            },
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Request { place: Place::from(matches), asks }))
}

/// A secret is never an argument: other people's `ps` would show it.
fn dash() -> Arg {
    Arg::new("input").required(true).value_name("-").value_parser(["-"]).help("Read from standard input")
}

fn verify_command() -> Command {
    let text =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("VALUE").help(help);
    place_arguments(Command::new("verify").about(SECRET_COMMANDS[0]))
        .long_about(
            "Ask whether a credential opens the door. The key is read from the first line of standard input, \
             its secret, if it has one, from the second. The exit code is 0 if it does and 1 if not.",
        )
        .arg(dash())
        .arg(text("api", "The API, by id or slug"))
        .arg(text("environment", "The Environment, by slug"))
        .arg(text("ip", "The address that the call comes from"))
        .arg(
            text("cost", "How much of rates and quotas the call uses up (1)")
                .value_parser(clap::value_parser!(i64).range(1..)),
        )
        .arg(
            text("permissions", "The API's own permissions that the call needs")
                .action(ArgAction::Append)
                .value_delimiter(','),
        )
}

fn which_key_command() -> Command {
    place_arguments(Command::new("which-key").about(SECRET_COMMANDS[1])).arg(dash())
}

/// The body of a verify call but for the credential, which is not known yet.
fn verify_body(matches: &ArgMatches) -> Map<String, Value> {
    let mut body = Map::new();
    for name in ["api", "environment", "ip"] {
        if let Some(value) = matches.get_one::<String>(name) {
            body.insert(name.to_owned(), Value::from(value.as_str()));
        }
    }
    if let Some(cost) = matches.get_one::<i64>("cost") {
        body.insert("cost".to_owned(), Value::from(*cost));
    }
    if let Some(permissions) = matches.get_many::<String>("permissions") {
        body.insert("permissions".to_owned(), permissions.map(|text| Value::from(text.as_str())).collect());
    }
    body
}
