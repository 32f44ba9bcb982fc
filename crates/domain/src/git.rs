//! The words of Git integrations: where a repository is, what is asked of it, how its host proves itself, and what
//! may come of it (product.md B). All of them end up on a command line, in a configuration file of ssh or on a Git
//! host, so each is parsed once, to a type that can hold nothing that means something else there.

mod address;
mod failure;
mod host_key;
mod names;

pub use address::{GitAddress, GitHost, GitUser, InvalidAddress};
pub use failure::{Failure, GitFailure, HostWords, UnknownFailure};
pub use host_key::{HostKey, InvalidHostKey};
pub use names::{Branch, DocumentPath, InvalidBranch, InvalidObjectId, InvalidPath, ObjectId};

use crate::text::is_hidden;

/// Characters that say nothing by themselves, and change what stands around them.
fn is_unwritten(c: char) -> bool {
    c.is_control() || is_hidden(c)
}

/// Text that is written, sent and stored as one string.
macro_rules! written {
    ($($type:ty),*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.to_string(), f)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
use written;
