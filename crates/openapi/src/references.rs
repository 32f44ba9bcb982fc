//! Where a document's references lead: nowhere outside, to something that is there, and to an end. Nothing is ever
//! fetched; what leads outside is refused, so that nobody who reads the document later fetches it either.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::fault::{Fault, MAX_FAULTS, Step, pointer};

/// Through how many references one may lead.
const MAX_HOPS: usize = 32;
/// How long a reference may be, in bytes.
const MAX_LENGTH: usize = 1_000;

/// Members that hold data rather than parts of the description.
const DATA: &[&str] =
    &["example", "examples", "default", "const", "enum", "value", "dataValue", "serializedValue"];
/// Members whose own members are named by the document's author.
const NAMED: &[&str] = &[
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "definitions",
    "schemas",
    "responses",
    "parameters",
    "examples",
    "requestBodies",
    "headers",
    "securitySchemes",
    "links",
    "callbacks",
    "pathItems",
    "paths",
    "webhooks",
    "content",
    "encoding",
    "variables",
    "mapping",
    "mediaTypes",
];

/// References that lead outside, to nothing, or in a circle.
pub(crate) fn faults(document: &Value) -> Vec<Fault> {
    let mut walk = Walk {
        document,
        anchors: anchors(document),
        verdicts: HashMap::new(),
        steps: Vec::new(),
        faults: Vec::new(),
    };
    walk.value(document, Kind::Description);
    walk.faults
}

/// The value that a reference of the document leads to, at the end of all references.
pub(crate) fn resolved<'d>(document: &'d Value, value: &'d Value) -> Option<&'d Value> {
    let mut value = value;
    for _ in 0..=MAX_HOPS {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => value = target(document, reference)?,
            None => return Some(value),
        }
    }
    None
}

/// What a member is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Description,
    /// Its members' names are the author's.
    Named,
    /// A `$ref` in it is a word like any other, unless it leads outside.
    Data,
}

impl Kind {
    /// What a member of this one is.
    fn member(self, name: &str) -> Self {
        match self {
            Self::Data => Self::Data,
            Self::Named => Self::Description,
            // `examples` of a parameter are named; those of a schema are a list, and data all the same.
            Self::Description if DATA.contains(&name) || name.starts_with("x-") => Self::Data,
            Self::Description if NAMED.contains(&name) => Self::Named,
            Self::Description => Self::Description,
        }
    }
}

struct Walk<'d> {
    document: &'d Value,
    anchors: HashSet<&'d str>,
    verdicts: HashMap<&'d str, Option<&'static str>>,
    steps: Vec<Step>,
    faults: Vec<Fault>,
}

impl<'d> Walk<'d> {
    fn value(&mut self, value: &'d Value, kind: Kind) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        match value {
            Value::Object(members) => {
                self.references(members, kind);
                for (name, value) in members {
                    self.steps.push(Step::Member(name.clone()));
                    self.value(value, kind.member(name));
                    self.steps.pop();
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.steps.push(Step::Item(at));
                    self.value(item, kind);
                    self.steps.pop();
                }
            }
            _ => {}
        }
    }

    fn references(&mut self, members: &'d Map<String, Value>, kind: Kind) {
        for name in ["$ref", "$dynamicRef"] {
            let Some(reference) = members.get(name).and_then(Value::as_str) else { continue };
            let detail = if !reference.starts_with('#') {
                Some("leads outside of the document; put what it names under components")
            } else if kind == Kind::Description {
                self.verdict(reference)
            } else {
                None
            };
            let place = || format!("{}/{name}", pointer(&self.steps));
            self.faults.extend(detail.map(|detail| Fault::new(place(), detail)));
        }
    }

    /// What is wrong with a reference inside, found out once for each text.
    fn verdict(&mut self, reference: &'d str) -> Option<&'static str> {
        if reference.len() > MAX_LENGTH {
            return Some("is longer than 1,000 bytes");
        }
        if let Some(known) = self.verdicts.get(reference) {
            return *known;
        }
        let verdict = if self.anchors.contains(&reference[1..]) {
            None
        } else if target(self.document, reference).is_none() {
            Some("leads to nothing in this document")
        } else if self.leads_round(reference) {
            Some("leads from reference to reference without an end")
        } else {
            None
        };
        self.verdicts.insert(reference, verdict);
        verdict
    }

    /// Whether following references from here comes to no end. One by an anchor has come to one.
    fn leads_round(&self, reference: &'d str) -> bool {
        let mut reference = Some(reference);
        for _ in 0..=MAX_HOPS {
            let Some(text) = reference.filter(|text| text.len() <= MAX_LENGTH) else { return false };
            reference =
                target(self.document, text).and_then(|value| value.get("$ref")).and_then(Value::as_str);
        }
        true
    }
}

/// What a reference of the form `#/a/b` names.
fn target<'d>(document: &'d Value, reference: &str) -> Option<&'d Value> {
    let fragment = percent_decoded(reference.strip_prefix('#')?)?;
    document.pointer(&fragment)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// The names that schemas give themselves.
fn anchors(document: &Value) -> HashSet<&str> {
    let (mut found, mut ahead) = (HashSet::new(), vec![document]);
    while let Some(value) = ahead.pop() {
        match value {
            Value::Object(members) => {
                let names = ["$anchor", "$dynamicAnchor"];
                found.extend(names.iter().filter_map(|name| members.get(*name)?.as_str()));
                ahead.extend(members.values());
            }
            Value::Array(items) => ahead.extend(items),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(document: &Value) -> Vec<(String, &'static str)> {
        let word = |detail: &str| {
            ["outside", "nothing", "without an end"]
                .into_iter()
                .find(|word| detail.contains(word))
                .expect("known")
        };
        faults(document).into_iter().map(|fault| (fault.pointer, word(&fault.detail))).collect()
    }

    #[test]
    fn references_stay_inside_and_end() {
        let schemas = |schemas: Value| json!({"components": {"schemas": schemas}});
        let at = |pointer: &str| format!("/components/schemas{pointer}");
        for outside in
            ["other.yaml#/A", "https://example.com/a", "file:///etc/passwd", "//x", "", "../a", "A"]
        {
            let document = schemas(json!({"A": {"$ref": outside}}));
            assert_eq!(found(&document), [(at("/A/$ref"), "outside")], "{outside}");
        }
        let data = schemas(json!({"A": {"example": {"$ref": "https://example.com"}}}));
        assert_eq!(found(&data), [(at("/A/example/$ref"), "outside")], "not in data either");
        let nothing = schemas(json!({"A": {"items": {"$ref": "#/components/schemas/B"}}}));
        assert_eq!(found(&nothing), [(at("/A/items/$ref"), "nothing")]);
        let broken = schemas(json!({"A": {"$ref": "#/components/%zz"}}));
        assert_eq!(found(&broken), [(at("/A/$ref"), "nothing")]);
        let alone = schemas(json!({"A": {"$ref": "#/components/schemas/A"}}));
        assert_eq!(found(&alone), [(at("/A/$ref"), "without an end")]);
        let round = schemas(json!({
            "A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}));
        assert_eq!(found(&round).len(), 2);
    }

    #[test]
    fn what_only_looks_like_a_reference_is_none() {
        for fits in [
            json!({"Node": {"properties": {"next": {"$ref": "#/components/schemas/Node"}}}}),
            json!({"A": {"properties": {"$ref": {"type": "string"}, "example": {"type": "string"}}}}),
            json!({"A": {"example": {"$ref": "#/definitions/x"}, "default": {"$ref": "#/no"}}}),
            json!({"A": {"x-note": {"$ref": "#/no"}}}),
            json!({"A": {"$anchor": "a"}, "B": {"$ref": "#a"}}),
            json!({"a/b~c": {}, "B": {"$ref": "#/components/schemas/a~1b~0c"}}),
            json!({"a b": {}, "B": {"$ref": "#/components/schemas/a%20b"}}),
        ] {
            assert_eq!(found(&json!({"components": {"schemas": fits}})), [], "{fits}");
        }
        let named = json!({"components": {"schemas": {"A": {"properties": {"default": {"$ref": "#/no"}}}}}});
        assert_eq!(found(&named).len(), 1, "a property of that name is a schema");
    }

    #[test]
    fn a_long_chain_ends_soon() {
        let long = format!("#/components/schemas/{}", "a".repeat(MAX_LENGTH));
        let document = json!({"components": {"schemas": {"A": {"$ref": long}}}});
        assert!(faults(&document)[0].detail.contains("longer"));
        let chain: Map<String, Value> = (0..2_000)
            .map(|at| (format!("s{at}"), json!({"$ref": format!("#/components/schemas/s{}", at + 1)})))
            .chain([("s2000".to_owned(), json!({}))])
            .collect();
        assert_eq!(found(&json!({"components": {"schemas": chain}})).len(), MAX_FAULTS);
    }
}
