//! `claviger completions`: what a shell offers after Tab, made from the command line's own definition.

use clap_complete::{Generator, aot, generate};

use super::Outcome;
use crate::arguments::{self, Shell};
use crate::terminal;

/// Prints the completions of a shell.
pub(super) fn print(shell: Shell) -> anyhow::Result<Outcome> {
    let text = match shell {
        Shell::Bash => of(aot::Bash),
        Shell::Zsh => of(aot::Zsh),
        Shell::Fish => of(aot::Fish),
    };
    terminal::print(&text)?;
    Ok(Outcome::Done)
}

fn of(generator: impl Generator) -> String {
    let mut text = Vec::new();
    generate(generator, &mut arguments::command(), "claviger", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_offered_the_nouns_and_no_hidden_command() {
        for text in [of(aot::Bash), of(aot::Zsh), of(aot::Fish)] {
            for word in ["key-sets", "quickstart", "regenerate", "config"] {
                assert!(text.contains(word), "{word}");
            }
        }
    }
}
