//! The use cases of Claviger, one per verb: authorise, load, decide, append, answer. Also the consumers
//! of the log and the scheduler. Faces call this crate; it knows neither HTTP nor SQL.

mod allowance;
pub mod ambient;
pub mod authority;
pub mod cursor;
mod environments;
pub mod error;
pub mod etag;
mod events;
pub mod fields;
mod follow;
mod groups;
mod idempotency;
mod init;
mod instance;
mod last_used;
mod lists;
mod load;
mod members;
mod nodes;
mod organizations;
mod permission_groups;
pub mod request;
mod scopes;
mod service_keys;
mod sign_in;
mod state;
mod which_key;
mod write;

pub use error::{Error, SignIn, Unavailable};
pub use events::Export;
pub use init::{Beginning, Initialised};
pub use instance::StartError;
pub use lists::ListParameters;
pub use request::{Caller, IdempotencyClaim, Read, Request, Written};
pub use state::{Options, Service};
