//! The data folder: made with mode 0700, and the place of this node's id.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use claviger_domain::id::NodeId;
use claviger_service::ambient::Clock as _;
use claviger_service::ambient::{SystemClock, SystemEntropy, fresh_id};

use crate::configuration::Configuration;

/// Makes the folder if it is missing; warns of one that others can reach.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("make the folder {}", folder.display()))?;
    let mode = fs::metadata(folder).map_or(0, |metadata| metadata.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        let folder = folder.display();
        tracing::warn!("{folder} can be reached by others (mode {mode:04o}): `chmod 700 {folder}`");
    }
    Ok(())
}

/// The id under which this data folder's server is a node; made on the first start.
pub(super) fn node_id(folder: &Path) -> anyhow::Result<NodeId> {
    let file = folder.join("node.id");
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse() {
            Ok(id) => Ok(id),
            Err(_) => bail!("{} holds no node's id: remove it, and a new one is made", file.display()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id: NodeId = fresh_id(SystemClock.now(), &SystemEntropy);
            write(&file, &id.to_string()).with_context(|| format!("write {}", file.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
    }
}

/// Writes aside and renames, so that a crash leaves no half of it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let aside = file.with_extension("new");
    let mut out = File::options().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
    writeln!(out, "{text}")?;
    out.sync_all()?;
    fs::rename(aside, file)
}

/// What this node is called.
pub(super) fn node_name(configuration: &Configuration) -> String {
    configuration
        .node_name
        .clone()
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        make_folder(&data).unwrap();
        let id = node_id(&data).unwrap();
        assert_eq!(node_id(&data).unwrap(), id);
        fs::write(data.join("node.id"), "nonsense").unwrap();
        assert!(node_id(&data).unwrap_err().to_string().contains("node.id"));
    }
}
