//! The data folder and the files in it: there, and closed to others.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::Examination;
use crate::commands::data;
use crate::configuration::{Configuration, Finding};

/// Looks at modes and owners.
pub(super) fn examine(configuration: &Configuration, seen: &mut Examination) {
    let folder = &configuration.data_dir;
    if !folder.exists() {
        let detail = format!("{} does not exist: `claviger serve` makes it", folder.display());
        seen.findings.push(Finding::warning("data_dir", detail));
        return;
    }
    let mut findings = Vec::new();
    closed(folder, "data_dir", &mut findings);
    let master = configuration.master_key_file.clone().unwrap_or_else(|| folder.join("master.key"));
    let root = folder.join("keeper/root.sealed");
    for file in [master.as_path(), root.as_path(), &folder.join("keeper/journal"), &folder.join("node.id")] {
        closed(file, &file.display().to_string(), &mut findings);
    }
    if let Some(database) = data::file_of(configuration.database_url.expose()) {
        closed(database, "database_url", &mut findings);
    }
    seen.note(format!("{} and the files in it are closed to others", folder.display()), findings);
}

/// Nobody but the owner may read what is there, and the owner is who runs this.
fn closed(path: &Path, about: &str, findings: &mut Vec<Finding>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let right = if metadata.is_dir() { "700" } else { "600" };
        let detail =
            format!("{} can be reached by others (mode {mode:04o}): `chmod {right} {0}`", path.display());
        findings.push(Finding::error(about, detail));
    }
    let user = rustix::process::geteuid();
    if metadata.uid() != user.as_raw() && !user.is_root() {
        let detail = format!("{} belongs to another user than this one: run as its owner", path.display());
        findings.push(Finding::warning(about, detail));
    }
}
