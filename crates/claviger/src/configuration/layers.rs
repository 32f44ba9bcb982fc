//! The layers of configuration, each value with the place it came from: defaults, then `claviger.toml`,
//! then `CLAVIGER_*` variables, then flags. A later layer wins, value by value.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Empty, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::settings::{Form, SECTIONS, Section, Setting};
use crate::environment::PREFIX;

/// Variables that are ours but no settings: those of the command line, and what tests tell each other.
const OTHER_VARIABLES: &[&str] = &["CLAVIGER_URL", "CLAVIGER_KEY", "CLAVIGER_KEY_FILE", "CLAVIGER_CONFIG"];
/// What Kubernetes sets in every container beside a Service called `claviger`, and the tests' own.
const OTHER_PREFIXES: &[&str] = &["CLAVIGER_SERVICE_", "CLAVIGER_PORT", "CLAVIGER_TEST_"];

/// One value and the place it came from.
struct Layer {
    from: String,
    values: Dict,
}

impl Layer {
    fn of(from: String, section: &Section, setting: &Setting, value: Value) -> Self {
        let mut values = Dict::from([(setting.name.to_owned(), value)]);
        if !section.name.is_empty() {
            values = Dict::from([(section.name.to_owned(), Value::from(values))]);
        }
        Self { from, values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.from.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// The defaults alone.
pub(super) fn defaults() -> Figment {
    let mut text = String::new();
    let mut without = Vec::new();
    for section in SECTIONS {
        if !section.name.is_empty() {
            text.push_str(&format!("[{}]\n", section.name));
        }
        for setting in section.settings {
            if setting.default.is_empty() {
                without.push((section, setting));
            } else {
                text.push_str(&format!("{} = {}\n", setting.name, setting.default));
            }
        }
    }
    let data = Toml::string(&text).data().unwrap_or_default().remove(&Profile::Default).unwrap_or_default();
    let mut figment = Figment::from(Layer { from: "default".to_owned(), values: data });
    for (section, setting) in without {
        let nothing = Value::Empty(Tag::Default, Empty::None);
        figment = figment.merge(Layer::of("default".to_owned(), section, setting, nothing));
    }
    figment
}

/// Adds the configuration file.
pub(super) fn add_file(figment: Figment, file: &Path) -> Result<Figment, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let values = Toml::string(&text)
        .data()
        .map_err(|error| format!("{}: {error}", file.display()))?
        .remove(&Profile::Default)
        .unwrap_or_default();
    Ok(figment.merge(Layer { from: file.display().to_string(), values }))
}

/// Adds the variables that are settings; says which of ours are none.
pub(super) fn add_variables(
    mut figment: Figment,
    variables: &BTreeMap<String, String>,
) -> Result<Figment, Vec<String>> {
    let mut wrong = Vec::new();
    for (name, text) in variables {
        if is_other(name) {
            continue;
        }
        match variable(name, text, variables) {
            Ok(layer) => figment = figment.merge(layer),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(figment) } else { Err(wrong) }
}

/// Adds one flag's value.
pub(super) fn add_flag(figment: Figment, setting: &str, text: &str) -> Figment {
    let found = find(|section, candidate| section.name.is_empty() && candidate.name == setting);
    let Some((section, setting)) = found else { unreachable!("a flag for a setting that does not exist") };
    let flag = format!("--{}", setting.name.replace('_', "-"));
    figment.merge(Layer::of(flag, section, setting, value(setting.form, text)))
}

/// The variable that a setting is read from.
pub(crate) fn variable_name(section: &Section, setting: &Setting) -> String {
    let key = section.key(setting).replace('.', "__");
    format!("{PREFIX}{}", key.to_uppercase())
}

fn variable(name: &str, text: &str, all: &BTreeMap<String, String>) -> Result<Layer, String> {
    if let Some((section, setting)) = find(|section, setting| variable_name(section, setting) == name) {
        let from = format!("the variable {name}");
        return Ok(Layer::of(from, section, setting, value(setting.form, text)));
    }
    let secret = find(|section, setting| {
        setting.form == Form::Secret && format!("{}_FILE", variable_name(section, setting)) == name
    });
    let Some((section, setting)) = secret else {
        return Err(format!("{name} is no setting; `claviger config check` lists them all"));
    };
    if all.contains_key(&variable_name(section, setting)) {
        return Err(format!("{name} and {} say the same: set one of them", variable_name(section, setting)));
    }
    let secret = fs::read_to_string(text).map_err(|error| format!("{name}: {text}: {error}"))?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    Ok(Layer::of(format!("the file {text} ({name})"), section, setting, value(setting.form, secret)))
}

fn find(fits: impl Fn(&Section, &Setting) -> bool) -> Option<(&'static Section, &'static Setting)> {
    SECTIONS
        .iter()
        .flat_map(|section| section.settings.iter().map(move |setting| (section, setting)))
        .find(|(section, setting)| fits(section, setting))
}

fn is_other(name: &str) -> bool {
    // `CLAVIGER_PUBLIC_URL` and the like are settings, so only whole names and marked prefixes pass.
    OTHER_VARIABLES.contains(&name) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A text as the value that a setting of this form takes; one that does not fit is left as it is, and named
/// when the whole is read.
fn value(form: Form, text: &str) -> Value {
    match form {
        Form::Number => text.trim().parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        Form::List => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            let items = inner.split(',').map(|item| item.trim().trim_matches('"'));
            Value::from(items.filter(|item| !item.is_empty()).collect::<Vec<_>>())
        }
        _ => Value::from(text),
    }
}
