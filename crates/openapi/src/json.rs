//! Reading JSON: bounded, and in one way only.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::fault::{Fault, Step};
use crate::reading::Reading;

/// The text as a tree.
pub(crate) fn read(text: &str) -> Result<Value, Fault> {
    let reading = Reading::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Seed(&reading).deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| reading.fault(format!("can't be read as JSON: {error}")))
}

#[derive(Clone, Copy)]
struct Seed<'r>(&'r Reading);

impl Seed<'_> {
    fn begin<E: serde::de::Error>(self, container: bool) -> Result<(), E> {
        self.0.begin(container).map_err(E::custom)
    }

    fn scalar<E: serde::de::Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.begin(false)?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        self.scalar(number)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.begin(true)?;
        let mut items = Vec::new();
        loop {
            self.0.enter(Step::Item(items.len()));
            let Some(item) = access.next_element_seed(self)? else { break };
            self.0.leave();
            items.push(item);
        }
        self.0.leave();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.begin(true)?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            self.0.enter(Step::Member(name.clone()));
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member is named twice"));
            }
            let value = access.next_value_seed(self)?;
            self.0.leave();
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}
