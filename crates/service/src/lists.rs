//! What all lists have in common: their query parameters, their cursors, their pages (surface.md,
//! "Lists").

use std::collections::BTreeSet;
use std::str::FromStr;

use claviger_store::{Between, ListQuery, Page, Total, Visible};
use claviger_wire::{Count, Page as WirePage};
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::error::Error;
use crate::request::Request;
use crate::state::Service;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// How long a filter may be, in bytes.
const MAX_VALUE: usize = 500;
/// How many values all filters may have together.
const MAX_VALUES: usize = 100;
pub(crate) const INSTANT: &str =
    "a time in RFC 3339, such as 2026-07-01T12:00:00Z, between the years 1970 and 9999";

/// The query of a list as it came: decoded pairs, and the path that its cursors are bound to.
#[derive(Debug, Clone, Default)]
pub struct ListParameters {
    pub path: String,
    pub pairs: Vec<(String, String)>,
}

/// Reads parameters by name, and remembers which were read: one that nobody asks for is refused.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    given: &'a ListParameters,
    read: BTreeSet<&'static str>,
}

pub(crate) fn bad(parameter: &str, detail: impl ToString) -> Error {
    Error::BadQuery { parameter: parameter.to_owned(), detail: detail.to_string() }
}

/// Serde's words about one that is not known, without it.
fn known_words(message: &str) -> String {
    let known = message.rsplit_once("expected ").map_or("one of the words known here", |(_, known)| known);
    format!("must be {known}")
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(given: &'a ListParameters) -> Result<Self, Error> {
        if given.pairs.len() > MAX_VALUES {
            return Err(bad("", format!("at most {MAX_VALUES} parameters")));
        }
        for (name, value) in &given.pairs {
            if value.len() > MAX_VALUE || value.chars().any(char::is_control) {
                return Err(bad(
                    name,
                    format!("must be at most {MAX_VALUE} bytes without control characters"),
                ));
            }
        }
        Ok(Self { given, read: BTreeSet::new() })
    }

    /// All values of a filter: either will do.
    pub(crate) fn many(&mut self, name: &'static str) -> Vec<&'a str> {
        self.read.insert(name);
        let named = self.given.pairs.iter().filter(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// All values of a filter over words of any kind.
    pub(crate) fn owned(&mut self, name: &'static str) -> Vec<String> {
        self.many(name).into_iter().map(str::to_owned).collect()
    }

    /// The value of a parameter that can be given once.
    pub(crate) fn one(&mut self, name: &'static str) -> Result<Option<&'a str>, Error> {
        match self.many(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(bad(name, "is given twice")),
        }
    }

    /// The value of a parameter that can be given once, which is `kind`: "true or false".
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &'static str, kind: &str) -> Result<Option<T>, Error> {
        let read = |text: &str| text.parse().map_err(|_| bad(name, format!("must be {kind}")));
        self.one(name)?.map(read).transpose()
    }

    /// All values of a filter over ids.
    pub(crate) fn all<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<T>, Error> {
        let read = |text: &str| text.parse().map_err(|error: T::Err| bad(name, format!("is {error}")));
        self.many(name).into_iter().map(read).collect()
    }

    /// All values of a filter that knows its words, as serde spells them.
    pub(crate) fn words<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Vec<T>, Error> {
        let read = |text: &str| {
            let word: StrDeserializer<'_, WordError> = text.into_deserializer();
            T::deserialize(word).map_err(|error| bad(name, known_words(&error.to_string())))
        };
        self.many(name).into_iter().map(read).collect()
    }

    /// The range `{name}_after` (included) to `{name}_before` (excluded).
    pub(crate) fn between(&mut self, after: &'static str, before: &'static str) -> Result<Between, Error> {
        Ok(Between { after: self.parsed(after, INSTANT)?, before: self.parsed(before, INSTANT)? })
    }

    /// Free text, without what surrounds it; empty counts as absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let text = self.one(name)?.map(str::trim).filter(|text| !text.is_empty());
        Ok(text.map(str::to_owned))
    }

    /// How many items a page has at most.
    pub(crate) fn limit(&mut self, default: u32, most: u32) -> Result<u32, Error> {
        let size = format!("a whole number from 1 to {most}");
        let limit = self.parsed("limit", &size)?.unwrap_or(default);
        if (1..=most).contains(&limit) { Ok(limit) } else { Err(bad("limit", format!("must be {size}"))) }
    }

    /// Refuses what nobody asked for.
    pub(crate) fn all_read(&mut self) -> Result<(), Error> {
        // How far this node has come was asked before the list is read.
        self.read.insert("wait_for");
        let unread = self.given.pairs.iter().find(|(name, _)| !self.read.contains(name.as_str()));
        match unread {
            Some((name, _)) => Err(bad(name, "is not a parameter of this list")),
            None => Ok(()),
        }
    }

    /// Reads what all lists take, and refuses what nobody asked for. `sorts` are the documented fields,
    /// the default one first.
    pub(crate) fn finish<F, S: Copy>(
        mut self,
        service: &Service,
        request: &Request,
        sorts: &[(&str, S)],
        filter: F,
        visible: Visible,
    ) -> Result<ListQuery<F, S>, Error> {
        let limit = self.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
        let count = self.parsed("count", "true or false")?.unwrap_or(false);
        let (sort, descending) = self.sort(sorts)?;
        let cursor = match self.one("cursor")? {
            Some(text) => {
                let opened = service.state.cursors.open(&self.binding(request), text);
                Some(opened.ok_or_else(|| bad("cursor", "is not a cursor of this list; begin without one"))?)
            }
            None => None,
        };
        self.all_read()?;
        Ok(ListQuery { limit, sort, descending, cursor, visible, filter, count })
    }

    fn sort<S: Copy>(&mut self, sorts: &[(&str, S)]) -> Result<(S, bool), Error> {
        let names = || sorts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let given = self.one("sort")?;
        let (name, descending) = match given {
            Some(text) => (text.strip_prefix('-').unwrap_or(text), text.starts_with('-')),
            None => (sorts.first().map_or("", |(name, _)| name), true),
        };
        let found = sorts.iter().find(|(field, _)| *field == name);
        let (_, sort) =
            found.ok_or_else(|| bad("sort", format!("must be one of {}, with - for descending", names())))?;
        Ok((*sort, descending))
    }

    /// What a cursor is bound to: caller, path and filters, whatever their order.
    fn binding(&self, request: &Request) -> String {
        binding(self.given, request)
    }
}

fn binding(given: &ListParameters, request: &Request) -> String {
    given.binding(&request.caller.service_key_id.to_string())
}

impl ListParameters {
    /// What a cursor is bound to: who asks, path and filters, whatever their order.
    pub(crate) fn binding(&self, caller: &str) -> String {
        let page_alone = ["cursor", "limit", "count", "wait_for"];
        let mut pairs: Vec<_> =
            self.pairs.iter().filter(|(name, _)| !page_alone.contains(&name.as_str())).collect();
        pairs.sort();
        format!("{caller} {} {pairs:?}", self.path)
    }
}

impl Service {
    /// The page as callers see it, its cursors sealed.
    pub(crate) fn page<T>(
        &self,
        request: &Request,
        given: &ListParameters,
        page: Page<T>,
    ) -> Result<WirePage<T>, Error> {
        let binding = binding(given, request);
        let seal = |cursor| self.state.cursors.seal(&binding, &cursor).map_err(Error::internal);
        let count = page.total.map(|total| match total {
            Total::Exact(total) => Count::Exactly(total),
            Total::AtLeast(least) => Count::AtLeast(least),
        });
        let (next, previous) = (page.next.map(seal).transpose()?, page.previous.map(seal).transpose()?);
        Ok(WirePage::new(page.items, next, previous, count))
    }
}
