//! A data node (security.md 2): a process that decides and does nothing else. It follows the log through a narrow
//! role in the database, and keeps on its own disk what it needs to start again while database and control plane
//! are down.
//!
//! [`DataNode`] feeds a [`claviger_verify::Index`]; doors, or a service of your own, decide from that. The crate can
//! name no use case and nothing that opens what is sealed: a data node can't be made to change anything.
//!
//! - [`Enrolment`]: who this node is, and the keys to decide with, which only its own keeper opens.
//! - [`Snapshots`]: the folder of what is kept. A base, a journal of what the log said since, and a marker of how far
//!   both must reach. Each is sealed under a key of this node's keeper.
//! - [`DataNode`]: loads the one or the database, follows, keeps, and reports.

mod enrolment;
mod error;
mod files;
mod keep;
mod load;
mod node;
mod snapshot;

pub use enrolment::{Enrolment, EnrolmentError};
pub use error::{FollowError, Refused};
pub use node::{Clock, DataNode, Setup, Started};
pub use snapshot::{Identity, Snapshots};
