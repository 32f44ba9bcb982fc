//! The REST API from a shell. A table of nouns and verbs (`nouns`) gives the commands, their help and their
//! completions; one function makes a request of what was typed, one sends it, one shows the answer.

mod access;
mod documents;
mod nouns;
mod request;
mod run;
mod show;
mod special;
mod verb;

use clap::{Arg, ArgAction, ArgMatches, Command};

pub(crate) use access::{login, secret_line};
pub(crate) use nouns::NOUNS;
pub(crate) use request::Request;
pub(crate) use run::{enroll, refused, run};

use request::{Asks, Place};
use verb::{Flag, Kind, Noun, Verb};

/// Adds a command for every noun, and those that are none.
pub(crate) fn commands(mut program: Command) -> Command {
    for noun in NOUNS {
        program = program.subcommand(noun_command(noun));
    }
    special::commands(program)
        .mut_subcommand("events", |events| events.subcommand(special::tail_command()))
        .mut_subcommand("apis", |apis| apis.subcommand(documents::command()))
}

/// The request that was typed, if what was typed is one; or why it means nothing.
pub(crate) fn request(matches: &ArgMatches) -> Result<Option<Request>, String> {
    let Some((name, of_noun)) = matches.subcommand() else { return Ok(None) };
    if let Some(request) = special::request(name, of_noun)? {
        return Ok(Some(request));
    }
    let Some(noun) = NOUNS.iter().find(|noun| noun.name == name) else { return Ok(None) };
    let Some((name, of_verb)) = of_noun.subcommand() else { return Ok(None) };
    let Some(verb) = noun.verbs.iter().find(|verb| verb.name == name) else { return Ok(None) };
    Ok(Some(Request {
        place: Place::from(of_verb),
        asks: Asks::Verb(Box::new(request::of_verb(verb, of_verb)?)),
    }))
}

fn noun_command(noun: &'static Noun) -> Command {
    let mut command =
        Command::new(noun.name).about(noun.about).subcommand_required(true).arg_required_else_help(true);
    for verb in noun.verbs {
        command = command.subcommand(verb_command(verb));
    }
    command
}

fn verb_command(verb: &'static Verb) -> Command {
    let mut command = place_arguments(Command::new(verb.name).about(verb.about));
    for place in request::places(verb.path) {
        let help = if place == "id" { "The id, or a slug where there is one" } else { "The id" };
        command = command.arg(Arg::new(place).required(true).help(help));
    }
    for flag in verb.all_flags() {
        command = command.arg(flag_argument(flag));
    }
    if verb.is_list() {
        command = command.args(list_arguments());
    }
    if verb.how.writes() {
        command = command.args(write_arguments(verb));
    }
    command
}

/// Where the server is, and how the answer is shown.
fn place_arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("url")
                .long("url")
                .value_name("URL")
                .help("The server's address; otherwise CLAVIGER_URL, or that of `claviger login`"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"))
}

fn flag_argument(flag: &'static Flag) -> Arg {
    let argument = Arg::new(flag.name).long(flag.name).help(flag.help);
    match flag.kind {
        Kind::Switch => argument.action(ArgAction::SetTrue),
        // Not required by the grammar: `--body` may have it.
        Kind::List | Kind::NullableList => {
            argument.action(ArgAction::Append).value_delimiter(',').value_name("VALUE,…")
        }
        Kind::Boolean => argument.value_name("true|false").value_parser(["true", "false"]),
        Kind::Json => argument.value_name("JSON"),
        Kind::Text | Kind::Nullable | Kind::Rate => argument.value_name("VALUE"),
    }
}

fn list_arguments() -> [Arg; 5] {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    [
        text("limit", "NUMBER", "How many at a time: 50, at most 200"),
        text("cursor", "CURSOR", "The page that an earlier answer named"),
        text("sort", "FIELD", "By this field; `-` before it: descending").allow_hyphen_values(true),
        Arg::new("count").long("count").action(ArgAction::SetTrue).help("Also say how many there are"),
        Arg::new("all").long("all").action(ArgAction::SetTrue).help("All pages, not only one"),
    ]
}

fn write_arguments(verb: &Verb) -> Vec<Arg> {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let mut arguments =
        vec![text("idempotency-key", "KEY", "A repetition under the same key never acts twice")];
    // What is only being made has no version yet.
    if verb.path.contains("{id}") {
        arguments.push(text("if-match", "ETAG", "Only if it is still this version"));
    }
    if verb.all_flags().next().is_some() {
        arguments.push(text("body", "FILE", "Take the body's JSON from a file, `-` for standard input"));
    }
    arguments
}

#[cfg(test)]
mod tests;
