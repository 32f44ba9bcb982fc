//! A document, read whole or refused with what is wrong.

use std::fmt;

use serde_json::Value;

use crate::fault::Fault;
use crate::format::Format;
use crate::operations::{self, Operation};
use crate::text::shown;
use crate::{json, references, schema, yaml};

/// How large a document may be (product.md B3).
pub const MAX_BYTES: usize = 5 << 20;
/// The longest title and version that are kept beside the document.
const MAX_TITLE: usize = 200;

/// The versions of the format that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3_0,
    V3_1,
    V3_2,
}

impl Version {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
            Self::V3_2 => "3.2",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was read from a document that is good. The bytes are its author's, and kept as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub version: Version,
    pub title: String,
    /// By path and method.
    pub operations: Vec<Operation>,
}

impl Document {
    /// Reads a document; or says what is wrong with it: at least one fault, not all of them if there are many.
    pub fn parse(bytes: &[u8], format: Format) -> Result<Self, Vec<Fault>> {
        let document = tree(bytes, format).map_err(|fault| vec![fault])?;
        let version = version(&document).map_err(|fault| vec![fault])?;
        let faults = schema::faults(version, &document);
        if !faults.is_empty() {
            return Err(faults);
        }
        let faults = references::faults(&document);
        if !faults.is_empty() {
            return Err(faults);
        }
        let operations = operations::of(&document)?;
        let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { version, title: shown(title, MAX_TITLE), operations })
    }
}

fn tree(bytes: &[u8], format: Format) -> Result<Value, Fault> {
    if bytes.len() > MAX_BYTES {
        return Err(Fault::whole(format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Fault::whole(format!("is not UTF-8 (byte {})", error.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Json => json::read(text),
        Format::Yaml => yaml::read(text),
    }
}

fn version(document: &Value) -> Result<Version, Fault> {
    if !document.is_object() {
        return Err(Fault::whole("must be an object"));
    }
    let Some(text) = document.get("openapi").and_then(Value::as_str) else {
        let swagger = document.get("swagger").is_some();
        let detail = if swagger {
            "is Swagger; convert it to OpenAPI 3"
        } else {
            "must say its version, such as 3.1.0"
        };
        return Err(Fault::new("/openapi", detail));
    };
    let version = [Version::V3_0, Version::V3_1, Version::V3_2]
        .into_iter()
        .find(|version| text.strip_prefix(version.as_str()).is_some_and(|rest| rest.starts_with('.')));
    version.ok_or_else(|| Fault::new("/openapi", "must be 3.0, 3.1 or 3.2, such as 3.1.0"))
}
