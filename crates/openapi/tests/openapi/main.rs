//! Documents as people send them, and as strangers send them who mean harm.

mod good;
mod hostile;
mod wrong;

use claviger_openapi::{Document, Fault, Format};
use serde_json::{Value, json};

/// A document of this version with these paths.
fn document(version: &str, paths: Value) -> Value {
    json!({"openapi": version, "info": {"title": "Orders", "version": "1"}, "paths": paths})
}

/// An operation that says only what it must.
fn operation() -> Value {
    json!({"responses": {"200": {"description": "Good."}}})
}

fn parse(document: &Value) -> Result<Document, Vec<Fault>> {
    Document::parse(document.to_string().as_bytes(), Format::Json)
}

/// What is wrong with it.
fn faults(document: &Value) -> Vec<Fault> {
    parse(document).expect_err("a document that is refused")
}

/// Asserts that the text is refused, at this place and for this reason.
fn refused(text: &[u8], format: Format, pointer: &str, reason: &str) {
    let faults = Document::parse(text, format).expect_err("a document that is refused");
    let shown = String::from_utf8_lossy(&text[..text.len().min(80)]);
    let found = faults.iter().any(|fault| fault.pointer == pointer && fault.detail.contains(reason));
    assert!(found, "{shown}: {faults:?}");
}
