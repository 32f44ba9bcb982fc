//! The text as a tree. What is no JSON, or could be read in two ways, ends here.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// How deep containers may nest (surface.md, "Limits").
pub(crate) const MAX_DEPTH: usize = 32;

/// From this many members on, names are compared by hash: an object of a million members must not cost
/// a million squared.
const FEW: usize = 16;

/// A JSON value; text is borrowed where nothing was escaped. Members keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Reads the whole text; the error is a sentence for people.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node<'_>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "The body is not UTF-8.".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Seed { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|node| deserializer.end().map(|()| node))
        .map_err(|error| format!("The body is not JSON that can be read in one way only: {error}."))
}

#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node<'de>, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut members: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = access.next_key_seed(Name)? {
            let twice = if members.len() < FEW {
                members.iter().any(|(other, _)| *other == name)
            } else {
                if names.is_empty() {
                    names.extend(members.iter().map(|(name, _)| name.clone()));
                }
                !names.insert(name.clone())
            };
            if twice {
                return Err(A::Error::custom("an object has two members of one name"));
            }
            let value = access.next_value_seed(inner)?;
            members.push((name, value));
        }
        Ok(Node::Object(members))
    }
}

/// The name of a member, borrowed if it can be.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_can_be_read_in_two_ways_or_not_at_all_is_refused() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let wide = |last: &str| {
            let members: Vec<_> = (0..100).map(|n| format!("\"m{n}\":{n}")).collect();
            format!("{{{},\"{last}\":0}}", members.join(","))
        };
        for (body, fits) in [
            (r#"{"a":1,"b":[null,true,"x",1.5,-2]}"#.to_owned(), true),
            (r#""\ud83d\ude00""#.to_owned(), true),
            (deep(32), true),
            (wide("other"), true),
            (deep(33), false),
            (deep(100_000), false),
            (wide("m3"), false),
            (wide("m99"), false),
            (r#"{"a":1,"a":1}"#.to_owned(), false),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), false),
            (r#"{"deep":{"a":1,"a":2}}"#.to_owned(), false),
            (r#""\ud83d""#.to_owned(), false),
            (r#""\ude00""#.to_owned(), false),
            (r#"{"\ud800":1}"#.to_owned(), false),
            (String::new(), false),
            ("{} {}".to_owned(), false),
            ("{'a':1}".to_owned(), false),
            ("[1,]".to_owned(), false),
            ("01".to_owned(), false),
            ("NaN".to_owned(), false),
            ("1e999".to_owned(), false),
            ("\u{feff}{}".to_owned(), false),
            ("\"a\nb\"".to_owned(), false),
        ] {
            assert_eq!(parse(body.as_bytes()).is_ok(), fits, "{body:.60}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "not UTF-8");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn it_reads_what_serde_json_writes(text in ".{0,40}", number in any::<i64>(), flag in any::<bool>()) {
            let value = serde_json::json!({"t": text, "n": [number, flag, null], "o": {}});
            let written = value.to_string();
            let Ok(Node::Object(members)) = parse(written.as_bytes()) else { panic!("an object") };
            let member = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
            prop_assert_eq!(member("t"), Some(&Node::Text(text.into())));
            let list = vec![Node::Number(number.into()), Node::Bool(flag), Node::Null];
            prop_assert_eq!(member("n"), Some(&Node::List(list)));
            prop_assert_eq!(member("o"), Some(&Node::Object(vec![])));
        }
    }
}
