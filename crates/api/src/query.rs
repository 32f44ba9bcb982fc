//! The query string, read strictly: percent-decoding that gives UTF-8 or nothing, and no parameter that
//! the OpenAPI document does not name for the path.

use crate::refused::Refused;

/// The parameters in the order given. One may be given twice: a filter then means either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: Option<&str>, known: &[String]) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name).filter(|name| known.contains(name)) else {
                return Err(unknown(name, known));
            };
            let Some(value) = decode(value) else {
                return Err(Refused::bad_query(name, "is not percent-encoded UTF-8"));
            };
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that can be given once only.
    pub(crate) fn once(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refused::bad_query(name, "is given twice")),
            (value, None) => Ok(value),
        }
    }

    /// All parameters but those that concern the face alone.
    pub(crate) fn into_pairs(mut self) -> Vec<(String, String)> {
        self.0.retain(|(name, _)| name != WAIT_FOR && name != FORMAT);
        self.0
    }
}

/// The parameter of reads that names a position to wait for.
pub(crate) const WAIT_FOR: &str = "wait_for";
/// The parameter that says how a list is written.
pub(crate) const FORMAT: &str = "format";

fn unknown(raw_name: &str, known: &[String]) -> Refused {
    let name: String =
        decode(raw_name).unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect();
    let name = if claviger_domain::credential::contains_credential(&name) { String::new() } else { name };
    let detail = match known {
        [] => "is not known here; this path has none".to_owned(),
        known => format!("is not known here; known: {}", known.join(", ")),
    };
    Refused::bad_query(name, &detail)
}

/// `application/x-www-form-urlencoded`, or `None` if a `%` is not followed by two hexadecimal digits or the
/// bytes are not UTF-8.
fn decode(text: &str) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<String> {
        ["q", "status", WAIT_FOR].map(str::to_owned).to_vec()
    }

    #[test]
    fn parameters_are_decoded_in_order_and_may_repeat() {
        let query = Query::parse(Some("q=a+b%2Bc%C3%A9&status=active&status=&wait_for=7&"), &known())
            .expect("a query");
        assert_eq!(query.once("q").expect("once"), Some("a b+cé"));
        assert_eq!(query.once(WAIT_FOR).expect("once"), Some("7"));
        assert!(query.once("status").is_err(), "given twice");
        let pairs = query.into_pairs();
        assert_eq!(
            pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["q", "status", "status"]
        );
        assert_eq!(Query::parse(None, &known()).expect("none"), Query::default());
    }

    #[test]
    fn what_is_not_known_or_not_utf8_is_refused_by_name() {
        for (raw, named) in [
            ("x=1", "x"),
            ("Q=1", "Q"),
            ("q=%ff", "q"),
            ("q=%4", "q"),
            ("q=%zz", "q"),
            ("%ff=1", ""),
            ("=1", ""),
        ] {
            let refused = Query::parse(Some(raw), &known()).expect_err(raw);
            assert!(format!("{refused:?}").contains(&format!("parameter: Some({named:?})")), "{refused:?}");
        }
    }
}
