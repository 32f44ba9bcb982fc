//! `?api=&environment=&permissions=&errors=`: each once at most, and nothing else.

use std::borrow::Cow;

use crate::percent;
use crate::permissions::Permissions;

/// What the proxy was told to ask.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub(super) api: Option<Cow<'a, str>>,
    pub(super) environment: Option<Cow<'a, str>>,
    permissions: Option<Cow<'a, str>>,
    /// Whether every refusal that is not 401 has to be 403, for nginx.
    pub(super) auth_request: bool,
}

/// A parameter that is unknown, given twice, or can't be read.
#[derive(Debug)]
pub(super) struct BadQuery {
    pub(super) parameter: String,
    pub(super) auth_request: bool,
}

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> Result<Self, BadQuery> {
        let mut parsed = Self::default();
        let mut bad = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if parsed.take(name, value).is_none() {
                bad.get_or_insert(name);
            }
        }
        match bad {
            None => Ok(parsed),
            Some(name) => {
                let parameter = name.chars().take(64).collect();
                Err(BadQuery { parameter, auth_request: parsed.auth_request })
            }
        }
    }

    fn take(&mut self, name: &str, value: &'a str) -> Option<()> {
        let value = percent::decode_query(value)?;
        let slot = match name {
            "api" => &mut self.api,
            "environment" => &mut self.environment,
            "permissions" if Permissions::parse(&value).is_some() => &mut self.permissions,
            "errors" if value == "auth_request" && !self.auth_request => {
                self.auth_request = true;
                return Some(());
            }
            _ => return None,
        };
        slot.replace(value).is_none().then_some(())
    }

    pub(super) fn permissions(&self) -> Permissions<'_> {
        let list = self.permissions.as_deref().unwrap_or_default();
        Permissions::parse(list).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_is_read_once() {
        let query =
            Query::parse("api=orders&environment=sandbox&permissions=a%3Ab,c,,+d&errors=auth_request")
                .expect("a good query");
        assert_eq!((query.api.as_deref(), query.environment.as_deref()), (Some("orders"), Some("sandbox")));
        assert_eq!(query.permissions().as_slice(), ["a:b", "c", "d"]);
        assert!(query.auth_request);
        let query = Query::parse("").expect("an empty query");
        assert!(query.api.is_none() && query.permissions().as_slice().is_empty() && !query.auth_request);
    }

    #[test]
    fn what_is_unknown_twice_or_unreadable_is_named() {
        let many = format!("permissions={}", vec!["a"; 33].join(","));
        for (query, parameter) in [
            ("apis=orders", "apis"),
            ("api=a&api=b", "api"),
            ("api=%zz", "api"),
            ("errors=all", "errors"),
            ("api=a&x", "x"),
            (many.as_str(), "permissions"),
        ] {
            assert_eq!(Query::parse(query).map_err(|bad| bad.parameter).err().as_deref(), Some(parameter));
        }
        assert!(Query::parse("x=1&errors=auth_request").is_err_and(|bad| bad.auth_request));
    }
}
