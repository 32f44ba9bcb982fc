//! Who this data node is: what enrolling it left on its disk. The keys in it open at its own keeper alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use claviger_domain::id::NodeId;
use serde::{Deserialize, Serialize};

use crate::files;

const VERSION: u32 = 1;
const FILE: &str = "node/enrolment.json";

/// The answer to the one-time token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    version: u32,
    pub node_id: NodeId,
    pub name: String,
    /// The id of the database that it may follow.
    pub instance_id: String,
    /// The keys that decide, encrypted to this node's keeper.
    pub bundle: Vec<u8>,
}

/// Why there is no enrolment to go by.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    #[error(
        "this node is not enrolled: make a token with `claviger gateway enroll`, and use it here with `claviger gateway join`"
    )]
    Missing,
    #[error("{} can't be used: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
}

impl Enrolment {
    pub const fn new(node_id: NodeId, name: String, instance_id: String, bundle: Vec<u8>) -> Self {
        Self { version: VERSION, node_id, name, instance_id, bundle }
    }

    /// Reads what stands in the data folder.
    pub fn read(data: &Path) -> Result<Self, EnrolmentError> {
        let path = data.join(FILE);
        let unreadable = |why: String| EnrolmentError::Unreadable { path: path.clone(), why };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(EnrolmentError::Missing),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let enrolment: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        match enrolment.version {
            VERSION => Ok(enrolment),
            other => Err(unreadable(format!("it has version {other}, and this program reads {VERSION}"))),
        }
    }

    /// Keeps it in the data folder.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let path = data.join(FILE);
        files::make_folder(path.parent().unwrap_or(data))?;
        files::replace(&path, serde_json::to_string_pretty(self).map_err(io::Error::other)?.as_bytes())
    }

    /// Forgets it, and the keys with it.
    pub(crate) fn remove(data: &Path) -> io::Result<()> {
        files::remove(&data.join(FILE))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_reads_back_and_is_its_owners_alone() {
        let data = tempfile::tempdir().unwrap();
        assert!(matches!(Enrolment::read(data.path()), Err(EnrolmentError::Missing)));
        let id = NodeId::from_bytes([7; 16]);
        let enrolment = Enrolment::new(id, "edge".into(), "01k0db".into(), vec![1, 2, 3]);
        enrolment.write(data.path()).unwrap();
        assert_eq!(Enrolment::read(data.path()).unwrap(), enrolment);
        let path = data.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let newer = fs::read_to_string(&path).unwrap().replace("\"version\": 1", "\"version\": 2");
        fs::write(&path, newer).unwrap();
        let error = Enrolment::read(data.path()).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
        Enrolment::remove(data.path()).unwrap();
        assert!(matches!(Enrolment::read(data.path()), Err(EnrolmentError::Missing)));
    }
}
