//! docs/configuration.md, from the settings' own table.

use super::{head, row};
use crate::configuration::{Form, SECTIONS, Section, Setting, variable_name};

const INTRODUCTION: &str = "# Configuration

*Made by `claviger docs configuration`; a test fails when it differs from the program.*

Three places are read, and a later one wins, value by value: the file `claviger.toml` of the working folder (or the
one that `--config` or `CLAVIGER_CONFIG` names), the environment, the flags. A setting that does not exist is an error
in all three. `claviger config check` prints every value with the place it came from, and what contradicts.

A variable's name is `CLAVIGER_` and the setting's name in capitals, with `__` between section and setting. A secret
has a second variable that ends in `_FILE` and names a file to read it from. Variables of a Kubernetes Service called
`claviger` (`CLAVIGER_SERVICE_…`, `CLAVIGER_PORT…`) are passed over.

```toml
listen = \"127.0.0.1:7700\"

[doors]
trusted = [\"127.0.0.0/8\", \"10.0.0.0/8\"]
```
";

const CLIENT: &str = "
## The command line's own

The commands that call a server (`claviger apis …`, `claviger key-sets …` and so on) read none of the above, but:

| variable | meaning |
| --- | --- |
| `CLAVIGER_URL` | The server's address. Left out: the one given to `claviger login`, or `http://127.0.0.1:7700` |
| `CLAVIGER_KEY` | The service key. Left out: the one given to `claviger login`, if it was for this address |
| `CLAVIGER_KEY_FILE` | The file to read the service key from |
";

/// The page.
pub(super) fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    for section in SECTIONS {
        let title =
            if section.name.is_empty() { "At the top".to_owned() } else { format!("`[{}]`", section.name) };
        text.push_str(&format!("\n## {title}\n\n"));
        text.push_str(&head(&["setting", "default", "meaning"]));
        for setting in section.settings {
            text.push_str(&setting_row(section, setting));
        }
    }
    text.push_str(CLIENT);
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
