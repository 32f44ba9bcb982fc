//! `claviger config check`: every value, and where it came from.

use figment::value::Value;

use figment::Figment;

use super::{Configuration, Form, SECTIONS, Section, Setting};

/// One line of the explanation.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Line {
    pub(crate) setting: String,
    pub(crate) value: String,
    pub(crate) from: String,
}

/// Every setting with its value and the place it came from; secrets masked.
pub(super) fn lines(figment: &Figment, configuration: &Configuration) -> Vec<Line> {
    Explanation { figment, configuration }.lines()
}

struct Explanation<'a> {
    figment: &'a Figment,
    configuration: &'a Configuration,
}

impl Explanation<'_> {
    fn lines(&self) -> Vec<Line> {
        let all = SECTIONS.iter().flat_map(|section| section.settings.iter().map(move |one| (section, one)));
        all.map(|(section, setting)| self.line(section, setting)).collect()
    }

    fn line(&self, section: &Section, setting: &Setting) -> Line {
        let key = section.key(setting);
        let from = self.figment.find_metadata(&key).map(|metadata| metadata.name.to_string());
        let value = match (setting.form, self.figment.find_value(&key)) {
            (Form::Secret, _) => self.masked(setting),
            (_, Ok(value)) if !matches!(value, Value::Empty(..)) => shown(&value),
            _ => self.derived(setting),
        };
        Line { setting: key, value, from: from.unwrap_or_else(|| "default".to_owned()) }
    }

    fn masked(&self, setting: &Setting) -> String {
        match (setting.name, &self.configuration.limits.redis_url) {
            ("redis_url", Some(url)) => url.masked(),
            ("redis_url", None) => "none: each node counts by itself".to_owned(),
            _ => self.configuration.database_url.masked(),
        }
    }

    /// What a setting that was left out comes to.
    fn derived(&self, setting: &Setting) -> String {
        match setting.name {
            "public_url" => self.configuration.public_url.clone(),
            "master_key_file" => "made by the keeper in data_dir".to_owned(),
            "node_name" => "the name of the host".to_owned(),
            "environment" => "the credential's own".to_owned(),
            "certificate_file" | "key_file" => "none: no TLS".to_owned(),
            "upstream_ca_file" => "none: the system's authorities alone".to_owned(),
            _ => String::new(),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Array(_, items) if items.is_empty() => "none".to_owned(),
        Value::Array(_, items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Num(_, number) => number
            .to_i128()
            .map(|n| n.to_string())
            .or_else(|| number.to_u128().map(|n| n.to_string()))
            .unwrap_or_default(),
        other => format!("{other:?}"),
    }
}
