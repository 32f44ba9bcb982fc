//! Optional members of bodies, told apart as JSON tells them apart: left out, `null`, and a value. A
//! member that may be left out but never be null is `Option<T>`; one that may be both is
//! `Option<Option<T>>`. Both are read by [`given`], with `default` for what was left out.

use serde::{Deserialize, Deserializer};

/// Reads a member that is there. `null` is a value of `T` or an error.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "given")]
        name: Option<String>,
        #[serde(default, deserialize_with = "given")]
        note: Option<Option<String>>,
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        let read = |text| serde_json::from_str::<Body>(text).map_err(|_| ());
        assert_eq!(read("{}"), Ok(Body { name: None, note: None }));
        assert_eq!(read(r#"{"note": null}"#), Ok(Body { name: None, note: Some(None) }));
        assert_eq!(read(r#"{"note": "a"}"#), Ok(Body { name: None, note: Some(Some("a".into())) }));
        assert_eq!(read(r#"{"name": null}"#), Err(()));
    }
}
