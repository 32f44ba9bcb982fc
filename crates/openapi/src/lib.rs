//! OpenAPI documents, which are data from strangers: read within bounds (5 MiB, 64 levels, no YAML alias, anchor or
//! tag, no member twice), validated by the OpenAPI Initiative's own schemas, without a network, and listed as
//! operations (product.md B3, C5). Nothing here follows an address, opens a file or asks for the time.
//!
//! A crate of its own, so that the validator's tree stays out of all that decides.

mod document;
mod fault;
mod format;
mod json;
mod operations;
mod reading;
mod references;
mod schema;
mod text;
mod yaml;

pub use document::{Document, MAX_BYTES, Version};
pub use fault::Fault;
pub use format::Format;
pub use operations::{Operation, Parameter, RequestBody, Response};
pub use reading::MAX_DEPTH;
