//! Reading what people typed into the domain's types: every wrong field is collected, with its pointer,
//! before anything is refused.

use std::fmt::Display;
use std::str::FromStr;

use claviger_domain::credential::contains_credential;
use claviger_domain::id::{Id, Kind};
use claviger_domain::members::Email;
use claviger_domain::refusal::{FieldError, Refusal};
use claviger_domain::text::{InvalidText, Name, Note, Slug};
use claviger_domain::time::{Period, Timestamp};
use ipnet::IpNet;

/// The wrong fields found so far.
#[derive(Debug, Default)]
pub struct Fields {
    prefix: String,
    errors: Vec<FieldError>,
    secret: Option<String>,
}

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// Fields of one item of a bulk body: pointers begin with `prefix`, such as `/items/3`.
    pub fn within(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Notes a wrong field. `pointer` is relative, beginning with `/`.
    pub fn wrong(&mut self, pointer: &str, detail: impl Display) {
        self.errors.push(FieldError::new(format!("{}{pointer}", self.prefix), detail.to_string()));
    }

    /// Takes a result over, noting its error.
    pub fn take<T, E: Display>(&mut self, pointer: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.wrong(pointer, error)).ok()
    }

    pub fn name(&mut self, pointer: &str, text: &str) -> Option<Name> {
        self.text(pointer, Name::new(text))
    }

    pub fn email(&mut self, pointer: &str, text: &str) -> Option<Email> {
        if contains_credential(text) {
            return self.text(pointer, Err(InvalidText::LooksLikeASecret));
        }
        self.take(pointer, Email::new(text))
    }

    /// A word with a form of its own. Whatever form that is, a credential has none.
    pub fn word<T: FromStr<Err: Display>>(&mut self, pointer: &str, text: &str) -> Option<T> {
        if contains_credential(text) {
            return self.text(pointer, Err(InvalidText::LooksLikeASecret));
        }
        self.take(pointer, text.parse())
    }

    pub fn note(&mut self, pointer: &str, text: Option<&str>) -> Option<Note> {
        text.and_then(|text| self.text(pointer, Note::new(text)))
    }

    pub fn slug(&mut self, pointer: &str, text: &str) -> Option<Slug> {
        self.text(pointer, Slug::new(text))
    }

    /// An id of another thing; whether it exists is asked later, with the same answer for both.
    pub fn id<K: Kind>(&mut self, pointer: &str, text: &str) -> Option<Id<K>> {
        self.take(pointer, Id::from_str(text))
    }

    pub fn optional_id<K: Kind>(&mut self, pointer: &str, text: Option<&str>) -> Option<Id<K>> {
        text.and_then(|text| self.id(pointer, text))
    }

    pub fn instant(&mut self, pointer: &str, text: Option<&str>) -> Option<Timestamp> {
        text.and_then(|text| self.take(pointer, text.parse()))
    }

    pub fn period(&mut self, pointer: &str, text: &str) -> Option<Period> {
        self.take(pointer, text.parse())
    }

    /// A list of address ranges; a bare address is a range of one.
    pub fn address_list(&mut self, pointer: &str, texts: Option<&[String]>) -> Option<Vec<IpNet>> {
        let texts = texts?;
        if texts.is_empty() || texts.len() > 100 {
            self.wrong(pointer, "must be null or a list of 1 to 100 address ranges");
            return None;
        }
        let mut list = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let parsed =
                text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| IpNet::from(address)));
            let detail = "must be an address range such as 10.0.0.0/8 or 2001:db8::/32";
            list.extend(
                self.take(&format!("{pointer}/{at}"), parsed.map(|net| net.trunc()).map_err(|_| detail)),
            );
        }
        Some(list)
    }

    /// Whether nothing was wrong so far.
    pub const fn is_fine(&self) -> bool {
        self.errors.is_empty() && self.secret.is_none()
    }

    /// Refuses if anything was wrong.
    pub fn finish(self) -> Result<(), Refusal> {
        if let Some(pointer) = self.secret {
            return Err(Refusal::LooksLikeASecret { pointer });
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.errors)) }
    }

    /// Refuses if anything was wrong, else gives what was read. What is absent without an error is a
    /// fault in the calling code, told as a refusal of the whole body.
    pub fn finish_with<T>(self, read: Option<T>) -> Result<T, Refusal> {
        self.finish()?;
        read.ok_or_else(|| Refusal::invalid("", "could not be read"))
    }

    fn text<T>(&mut self, pointer: &str, result: Result<T, InvalidText>) -> Option<T> {
        if matches!(result, Err(InvalidText::LooksLikeASecret)) {
            self.secret.get_or_insert(format!("{}{pointer}", self.prefix));
            return None;
        }
        self.take(pointer, result)
    }
}

/// The reason given for an act.
pub(crate) fn reason_of(act: &claviger_wire::acts::Act) -> Result<Option<Note>, Refusal> {
    let mut fields = Fields::new();
    let reason = fields.note("/reason", act.reason.as_deref());
    fields.finish()?;
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let mut fields = Fields::within("/items/3");
        assert_eq!(fields.name("/name", "  ok ").map(|name| name.to_string()), Some("ok".into()));
        fields.name("/title", "");
        fields.slug("/slug", "No");
        fields.address_list("/ip_allow_list", Some(&["10.0.0.1".into(), "x".into()]));
        let Err(Refusal::Invalid(errors)) = fields.finish() else { panic!("refused") };
        let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/items/3/title", "/items/3/slug", "/items/3/ip_allow_list/1"]);
    }
}
