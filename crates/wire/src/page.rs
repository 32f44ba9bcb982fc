//! One page of a list (surface.md, "Lists").

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list, with opaque cursors to its neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; null on the last.
    pub next_cursor: Option<String>,
    /// Where the page before begins; null on the first.
    pub previous_cursor: Option<String>,
    /// With `count=true`: how many there are in all pages, or null if more than 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "present_or_null")]
    #[schema(value_type = Option<u64>)]
    pub total: Option<Option<u64>>,
    /// Stands in for a `total` that was not counted to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_at_least: Option<u64>,
}

/// How many things a list holds, as far as was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exactly(u64),
    AtLeast(u64),
}

impl<T> Page<T> {
    pub const fn new(
        items: Vec<T>,
        next_cursor: Option<String>,
        previous_cursor: Option<String>,
        count: Option<Count>,
    ) -> Self {
        let (total, total_at_least) = match count {
            None => (None, None),
            Some(Count::Exactly(total)) => (Some(Some(total)), None),
            Some(Count::AtLeast(counted)) => (Some(None), Some(counted)),
        };
        Self { items, next_cursor, previous_cursor, total, total_at_least }
    }

    /// A whole list that needs no cursor.
    pub const fn whole(items: Vec<T>) -> Self {
        Self::new(items, None, None, None)
    }

    /// The same page with each item turned into another.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(turn).collect(),
            next_cursor: self.next_cursor,
            previous_cursor: self.previous_cursor,
            total: self.total,
            total_at_least: self.total_at_least,
        }
    }
}

/// A member that can be absent, null or a number: three things.
mod present_or_null {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Option<u64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.flatten().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<u64>>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_count_is_absent_exact_or_null_with_a_floor() {
        for (count, shown) in [
            (None, json!({})),
            (Some(Count::Exactly(2)), json!({"total": 2})),
            (Some(Count::AtLeast(10_000)), json!({"total": null, "total_at_least": 10_000})),
        ] {
            let page = Page::new(vec![1], Some("n".into()), None, count);
            let mut expected = json!({"items": [1], "next_cursor": "n", "previous_cursor": null});
            if let (Value::Object(expected), Value::Object(shown)) = (&mut expected, shown) {
                expected.extend(shown);
            }
            let text = serde_json::to_value(&page).expect("serialises");
            assert_eq!(text, expected);
            assert_eq!(serde_json::from_value::<Page<i32>>(text).expect("reads back"), page);
        }
    }
}
