//! docs/commands.md: every command of the program, from the command line's own definition.

use clap::Command;

use super::{head, row};
use crate::arguments;

const INTRODUCTION: &str = "# Commands

*Made by `claviger docs commands`; a test fails when it differs from the program.*

`claviger COMMAND --help` says what each takes. The exit code is 0 if it was done, 1 if it was refused or failed, 2 if
the command line or the configuration can't be understood. `--json` prints JSON. Secrets are read from standard input,
never from an argument. `claviger completions bash|zsh|fish` prints what a shell offers after Tab.
";

/// The page.
pub(super) fn page() -> String {
    let program = arguments::command();
    let mut text = format!("{INTRODUCTION}\n{}", head(&["command", "does"]));
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        rows("claviger", command, &mut text);
    }
    text
}

fn rows(before: &str, command: &Command, text: &mut String) {
    let name = format!("{before} {}", command.get_name());
    let below: Vec<&Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    if below.is_empty() {
        let places = command.get_positionals().map(|place| match place.get_value_names() {
            Some(names) => format!(" {}", names.join(" ")),
            None => format!(" {}", place.get_id().as_str().to_uppercase()),
        });
        let shown = format!("`{name}{}`", places.collect::<String>());
        text.push_str(&row([shown, command.get_about().map(ToString::to_string).unwrap_or_default()]));
    }
    for command in below {
        rows(&name, command, text);
    }
}
