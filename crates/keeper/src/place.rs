//! Where a sealed value lives and what it is for. Both are part of what is sealed: a ciphertext moved to
//! another row, column, database or purpose does not open.

use claviger_domain::secret::{Plaintext, Sealed};

/// The longest part of a place, and the longest name of an actor, in bytes.
pub(crate) const LONGEST_NAME: usize = 128;
/// The longest text that can be sealed, in bytes.
pub(crate) const LONGEST_PLAINTEXT: usize = 4_096;

/// The one cell of one database that a ciphertext belongs to. Each part is 1 to 128 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The id of the database, made when it was initialised, so that a copy of a row in another one is
    /// worth nothing.
    pub database: &'a str,
    pub table: &'a str,
    /// The row's id.
    pub row: &'a str,
    pub column: &'a str,
}

impl<'a> Place<'a> {
    /// The parts in the order in which they are authenticated and sent.
    pub(crate) const fn parts(&self) -> [&'a str; 4] {
        [self.database, self.table, self.row, self.column]
    }
}

/// A place that outlives the message that named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedPlace {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) row: String,
    pub(crate) column: String,
}

impl OwnedPlace {
    pub(crate) fn borrow(&self) -> Place<'_> {
        Place { database: &self.database, table: &self.table, row: &self.row, column: &self.column }
    }
}

impl From<Place<'_>> for OwnedPlace {
    fn from(place: Place<'_>) -> Self {
        let [database, table, row, column] = place.parts().map(str::to_owned);
        Self { database, table, row, column }
    }
}

/// What a sealed value is for. Each purpose has its own key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The value of a Key, which a person may retrieve as long as the policy says so. The only purpose
    /// whose plaintext ever leaves the keeper.
    Retrievable,
    /// The private half of a key pair. Made by the keeper itself, and opened only inside of it, to sign.
    KeyPair,
}

impl Purpose {
    /// The purpose's name: the end of its key's label, a part of what is authenticated, and the journal's
    /// word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retrievable => "retrievable",
            Self::KeyPair => "key_pair",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Retrievable, Self::KeyPair].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// One value to seal, with the place it is going to.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    pub purpose: Purpose,
    pub place: Place<'a>,
    /// At most 4,096 bytes.
    pub plaintext: &'a Plaintext,
}

/// One value to open: on whose behalf, and the position of the event that already says so in the log.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    pub purpose: Purpose,
    pub place: Place<'a>,
    pub sealed: &'a Sealed,
    /// The id of the member or service key that asked; 1 to 128 bytes. The ceiling per actor counts by it.
    pub actor: &'a str,
    /// The log position of the reveal event, committed before this is asked.
    pub position: u64,
}
