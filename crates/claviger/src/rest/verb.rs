//! The vocabulary of the table of commands: a noun, its verbs, and what each takes and shows.

use claviger_client::reqwest::Method;

/// A collection of the REST API, as a command.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) verbs: &'static [Verb],
}

/// One act on a noun: one request.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) how: How,
    /// Each `{place}` is an argument without a flag.
    pub(crate) path: &'static str,
    /// Groups of flags, so that verbs can share them.
    pub(crate) flags: &'static [&'static [Flag]],
    /// Members of the body that the verb itself says.
    pub(crate) says: &'static [(&'static str, bool)],
    pub(crate) shows: Shows,
}

/// The method of a request, as a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl How {
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    pub(crate) const fn writes(self) -> bool {
        !matches!(self, Self::Get)
    }
}

/// What people see of the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shows {
    /// Its `items`, one row each.
    Table(&'static [Column]),
    /// Its members, one line each.
    Object,
    /// A sentence.
    Done(&'static str),
}

/// A column of a table: its title, and where its value stands in an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) pointer: &'static str,
}

/// One flag: a member of the body or a parameter of the address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// As it is typed after `--`, and with `_` for `-` its place, unless `place` says otherwise.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) goes: Goes,
    /// Members between here and the body's root, separated by `/`; empty: the name.
    pub(crate) place: &'static str,
    pub(crate) required: bool,
}

/// What a flag's text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// `none` becomes null.
    Nullable,
    /// True if the flag is there.
    Switch,
    /// `true` or `false`.
    Boolean,
    /// Given several times, or separated by commas.
    List,
    /// A list; `none` becomes null.
    NullableList,
    /// `LIMIT/PER`, perhaps `/BURST`; `none` becomes null.
    Rate,
    /// JSON as it stands.
    Json,
}

/// Which part of a request a flag belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    Body,
    Query,
}

impl Flag {
    const fn new(name: &'static str, help: &'static str, kind: Kind, goes: Goes) -> Self {
        Self { name, help, kind, goes, place: "", required: false }
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn at(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }

    /// The member's or parameter's name, nested ones separated by `/`.
    pub(crate) fn place(&self) -> String {
        if self.place.is_empty() { self.name.replace('-', "_") } else { self.place.to_owned() }
    }
}

pub(crate) const fn text(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Text, Goes::Body)
}

pub(crate) const fn nullable(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Nullable, Goes::Body)
}

pub(crate) const fn boolean(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Boolean, Goes::Body)
}

pub(crate) const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Switch, Goes::Body)
}

pub(crate) const fn list(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::List, Goes::Body)
}

pub(crate) const fn nullable_list(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::NullableList, Goes::Body)
}

pub(crate) const fn rate(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Rate, Goes::Body)
}

pub(crate) const fn json(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Json, Goes::Body)
}

/// A filter of a list; given several times, any of the values fits.
pub(crate) const fn filter(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::List, Goes::Query)
}

/// A parameter of the address that is given once.
pub(crate) const fn parameter(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, help, Kind::Text, Goes::Query)
}

pub(crate) const fn column(title: &'static str, pointer: &'static str) -> Column {
    Column { title, pointer }
}

impl Verb {
    const fn new(
        name: &'static str,
        about: &'static str,
        how: How,
        path: &'static str,
        shows: Shows,
    ) -> Self {
        Self { name, about, how, path, flags: &[], says: &[], shows }
    }

    pub(crate) const fn flags(mut self, flags: &'static [&'static [Flag]]) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) const fn says(mut self, says: &'static [(&'static str, bool)]) -> Self {
        self.says = says;
        self
    }

    pub(crate) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().flat_map(|group| group.iter())
    }

    /// Whether the answer comes in pages.
    pub(crate) const fn is_list(&self) -> bool {
        matches!((self.how, self.shows), (How::Get, Shows::Table(_)))
    }
}

pub(crate) const fn listing(about: &'static str, path: &'static str, columns: &'static [Column]) -> Verb {
    Verb::new("list", about, How::Get, path, Shows::Table(columns))
}

pub(crate) const fn reading(name: &'static str, about: &'static str, path: &'static str) -> Verb {
    Verb::new(name, about, How::Get, path, Shows::Object)
}

pub(crate) const fn rows(
    name: &'static str,
    about: &'static str,
    path: &'static str,
    columns: &'static [Column],
) -> Verb {
    Verb::new(name, about, How::Get, path, Shows::Table(columns))
}

pub(crate) const fn post(name: &'static str, about: &'static str, path: &'static str) -> Verb {
    Verb::new(name, about, How::Post, path, Shows::Object)
}

pub(crate) const fn put(name: &'static str, about: &'static str, path: &'static str) -> Verb {
    Verb::new(name, about, How::Put, path, Shows::Object)
}

pub(crate) const fn patch(name: &'static str, about: &'static str, path: &'static str) -> Verb {
    Verb::new(name, about, How::Patch, path, Shows::Object)
}

pub(crate) const fn delete(name: &'static str, about: &'static str, path: &'static str) -> Verb {
    Verb::new(name, about, How::Delete, path, Shows::Done("deleted"))
}
