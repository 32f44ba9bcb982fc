//! The use cases of Claviger, one per verb: authorise, load, decide, append, answer. Also the consumers
//! of the log and the scheduler. Faces call this crate; it knows neither HTTP nor SQL.

pub mod ambient;
pub mod authority;
pub mod cursor;
pub mod error;
pub mod etag;
pub mod fields;
pub mod request;

pub use error::{Error, SignIn, Unavailable};
pub use request::{Caller, IdempotencyClaim, Read, Request, Written};
