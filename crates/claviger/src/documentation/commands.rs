//! For docs/commands.md: every command of the program, from the command line's own definition.

use clap::Command;

use super::{head, row};
use crate::arguments;

/// The table.
pub(super) fn table() -> String {
    let program = arguments::command();
    let mut text = head(&["command", "does"]);
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        rows("claviger", command, &mut text);
    }
    text
}

fn rows(before: &str, command: &Command, text: &mut String) {
    let name = format!("{before} {}", command.get_name());
    let below: Vec<&Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    if below.is_empty() || !command.is_subcommand_required_set() {
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
