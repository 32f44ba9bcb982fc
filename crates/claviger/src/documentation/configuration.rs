//! For docs/configuration.md, from the settings' own table.

use super::{head, row};
use crate::configuration::{Form, SECTIONS, Section, Setting, variable_name};

/// The tables, one for each section.
pub(super) fn tables() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let title =
            if section.name.is_empty() { "At the top".to_owned() } else { format!("`[{}]`", section.name) };
        text.push_str(&format!("\n## {title}\n\n"));
        text.push_str(&head(&["setting", "default", "meaning"]));
        for setting in section.settings {
            text.push_str(&setting_row(section, setting));
        }
    }
    text
}

fn setting_row(section: &Section, setting: &Setting) -> String {
    let default =
        if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
    let words: Vec<&str> = setting.meaning.iter().map(|line| line.trim()).collect();
    let mut meaning = words.join(" ");
    if let Form::Choice(words) = setting.form {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        meaning.push_str(&format!(" One of {}.", words.join(", ")));
    }
    let variable = variable_name(section, setting);
    meaning.push_str(&format!(" Variable: `{variable}`"));
    if setting.form == Form::Secret {
        meaning.push_str(&format!(", or the file that `{variable}_FILE` names"));
    }
    meaning.push('.');
    row([format!("`{}`", section.key(setting)), default, meaning])
}
