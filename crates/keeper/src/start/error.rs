//! Why the keeper can't start: what is wrong, what is lost by it, what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::ambient::NoEntropy;
use crate::journal::ChainError;

/// The keeper can't start. The message is for the operator: what is wrong, what is lost, what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "The master key {} is missing, and {} was sealed with it. Put the file back from where you keep its \
         copy (32 bytes, mode 0600), or name it with CLAVIGER_MASTER_KEY_FILE. If no copy is left, every \
         value that was sealed is lost for good, and no key in the database can be recognised any more: \
         all of them must be issued anew, in a new data folder and a new database.",
        path.display(), root.display()
    )]
    MasterKeyLost { path: PathBuf, root: PathBuf },
    #[error(
        "The master key file {} does not exist, and a named file is never made by Claviger. Correct \
         CLAVIGER_MASTER_KEY_FILE, or make the file: (umask 077; head -c 32 /dev/urandom > {})",
        path.display(), path.display()
    )]
    MasterKeyNotFound { path: PathBuf },
    #[error(
        "Others than its owner have rights on the master key {} (mode {mode:04o}). Whoever read it can open \
         all that is sealed, with a copy of the database. Take the rights away: chmod 600 {}",
        path.display(), path.display()
    )]
    MasterKeyExposed { path: PathBuf, mode: u32 },
    #[error(
        "The master key {} is {found}, and a master key is a file of 32 bytes. Put the right file in its \
         place; without it nothing that is sealed can be opened.",
        path.display()
    )]
    MasterKeyMalformed { path: PathBuf, found: String },
    #[error(
        "The master key {} is not the one that sealed {}. Nothing was changed. Put the right master key in \
         its place, or name it with CLAVIGER_MASTER_KEY_FILE. Without it every value that was sealed is \
         lost, and no key in the database can be recognised any more.",
        path.display(), root.display()
    )]
    MasterKeyWrong { path: PathBuf, root: PathBuf },
    #[error(
        "The root secret {} is missing, and the journal beside it says that there was one. Put the file back \
         from a backup. Without it every value that was sealed is lost, and no key in the database can be \
         recognised any more.",
        path.display()
    )]
    RootLost { path: PathBuf },
    #[error(
        "The root secret {} is damaged: the master key is the right one and still does not open it. Put the \
         file back from a backup. Without it every value that was sealed is lost, and no key in the database \
         can be recognised any more.",
        path.display()
    )]
    RootDamaged { path: PathBuf },
    #[error(
        "Others than its owner have rights on the root secret {} (mode {mode:04o}). Take them away: \
         chmod 600 {}",
        path.display(), path.display()
    )]
    RootExposed { path: PathBuf, mode: u32 },
    #[error(
        "The root secret {} is of version {version}, which this version of Claviger does not know. It was \
         made by a newer one: start that.",
        path.display()
    )]
    RootUnknown { path: PathBuf, version: u8 },
    #[error(
        "The keeper's journal {} is missing. It is the record of every secret that was opened. Put it back \
         from a backup. If it is gone for good, make an empty file in its place (mode 0600): a new journal \
         begins, and what was opened before can no longer be compared with the log.",
        path.display()
    )]
    JournalLost { path: PathBuf },
    #[error(
        "The keeper's journal {}: {cause}. Keep a copy of it for whoever will look into this, and put the \
         file back from a backup. If there is none, move it away and make an empty file in its place (mode \
         0600): a new journal begins.",
        path.display()
    )]
    JournalBroken { path: PathBuf, cause: ChainError },
    #[error(
        "The keeper's journal {} has lines that this version of Claviger does not know. They were written \
         by a newer one: start that.",
        path.display()
    )]
    JournalUnknown { path: PathBuf },
    #[error(
        "The keeper's journal {} belongs to another root secret than the one beside it. The folder holds \
         files of two installations: put back the ones that belong together.",
        path.display()
    )]
    JournalForeign { path: PathBuf },
    #[error("Another keeper works in {}. Stop the server that it belongs to first.", folder.display())]
    AlreadyRunning { folder: PathBuf },
    #[error("The keeper can't {doing} {}: {source}", path.display())]
    Storage { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("The keeper can't start: {0}.")]
    Entropy(#[from] NoEntropyGiven),
    #[error("The keeper can't shut itself off from the rest of the machine: can't {doing}: {source}")]
    NotConfined { doing: &'static str, source: io::Error },
    #[error("`claviger keeper run` is started by `claviger serve`, with a socket in place of its input.")]
    NotStartedByServer,
    #[error("The keeper does not understand its arguments: {0}")]
    Arguments(String),
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropyGiven;

impl From<NoEntropy> for StartError {
    fn from(_: NoEntropy) -> Self {
        Self::Entropy(NoEntropyGiven)
    }
}

/// The kind of a [`StartError`], as the parent learns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartReason {
    MasterKeyLost,
    MasterKeyNotFound,
    MasterKeyExposed,
    MasterKeyMalformed,
    MasterKeyWrong,
    RootLost,
    RootDamaged,
    RootExposed,
    RootUnknown,
    JournalLost,
    JournalBroken,
    JournalUnknown,
    JournalForeign,
    AlreadyRunning,
    Storage,
    Entropy,
    NotConfined,
    NotStartedByServer,
    Arguments,
    /// A reason that this version does not know.
    Other,
}

impl StartReason {
    /// Every reason at the place of its number.
    const ALL: [Self; 20] = [
        Self::Other,
        Self::MasterKeyLost,
        Self::MasterKeyNotFound,
        Self::MasterKeyExposed,
        Self::MasterKeyMalformed,
        Self::MasterKeyWrong,
        Self::RootLost,
        Self::RootDamaged,
        Self::RootExposed,
        Self::RootUnknown,
        Self::JournalLost,
        Self::JournalBroken,
        Self::JournalUnknown,
        Self::JournalForeign,
        Self::AlreadyRunning,
        Self::Storage,
        Self::Entropy,
        Self::NotConfined,
        Self::NotStartedByServer,
        Self::Arguments,
    ];

    pub(crate) fn code(self) -> u8 {
        Self::ALL.iter().position(|reason| *reason == self).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
    }

    pub(crate) fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::Other)
    }
}

impl StartError {
    pub const fn reason(&self) -> StartReason {
        match self {
            Self::MasterKeyLost { .. } => StartReason::MasterKeyLost,
            Self::MasterKeyNotFound { .. } => StartReason::MasterKeyNotFound,
            Self::MasterKeyExposed { .. } => StartReason::MasterKeyExposed,
            Self::MasterKeyMalformed { .. } => StartReason::MasterKeyMalformed,
            Self::MasterKeyWrong { .. } => StartReason::MasterKeyWrong,
            Self::RootLost { .. } => StartReason::RootLost,
            Self::RootDamaged { .. } => StartReason::RootDamaged,
            Self::RootExposed { .. } => StartReason::RootExposed,
            Self::RootUnknown { .. } => StartReason::RootUnknown,
            Self::JournalLost { .. } => StartReason::JournalLost,
            Self::JournalBroken { .. } => StartReason::JournalBroken,
            Self::JournalUnknown { .. } => StartReason::JournalUnknown,
            Self::JournalForeign { .. } => StartReason::JournalForeign,
            Self::AlreadyRunning { .. } => StartReason::AlreadyRunning,
            Self::Storage { .. } => StartReason::Storage,
            Self::Entropy(_) => StartReason::Entropy,
            Self::NotConfined { .. } => StartReason::NotConfined,
            Self::NotStartedByServer => StartReason::NotStartedByServer,
            Self::Arguments(_) => StartReason::Arguments,
        }
    }

    pub(crate) fn storage(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Storage { doing, path: path.to_owned(), source }
    }

    pub(crate) fn journal(path: &Path, cause: ChainError) -> Self {
        match cause {
            ChainError::Io(source) => Self::storage("read", path, source),
            ChainError::Unknown { .. } => Self::JournalUnknown { path: path.to_owned() },
            ChainError::Broken { .. } => Self::JournalBroken { path: path.to_owned(), cause },
        }
    }
}
