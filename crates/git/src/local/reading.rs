//! What stands at a path, looked up in Git's own folders and never on a disk.

use claviger_domain::git::{DocumentPath, Failure, GitFailure, ObjectId};

use super::{Given, Repository, SHORT};
use crate::error::Error;

/// What stands in a folder of Git's under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    File(ObjectId),
    /// What it is, for people.
    Other(&'static str),
    Folder,
}

impl Repository {
    /// What stands at the path in the commit.
    async fn entry(&self, commit: &ObjectId, path: &str) -> Result<Option<Entry>, Error> {
        let arguments = ["-z", "--full-tree", commit.as_str(), "--", path];
        let listed = self.run("ls-tree", &arguments, Given::default(), SHORT).await?;
        let mut lines = listed.split(|byte| *byte == 0).filter(|line| !line.is_empty());
        lines.find_map(|line| parse(line, path)).transpose()
    }

    /// The file at the path, `None` if nothing stands there; a failure if it is something else, or would stand in
    /// something that is no folder.
    pub(crate) async fn file(
        &self,
        commit: &ObjectId,
        path: &DocumentPath,
    ) -> Result<Option<ObjectId>, Error> {
        match self.entry(commit, path.as_str()).await? {
            Some(Entry::File(blob)) => return Ok(Some(blob)),
            Some(Entry::Folder) => return Err(not_a_file(path.as_str(), "a folder").into()),
            Some(Entry::Other(what)) => return Err(not_a_file(path.as_str(), what).into()),
            None => {}
        }
        for folder in path.folders().rev() {
            match self.entry(commit, folder).await? {
                Some(Entry::Folder) => break,
                Some(Entry::File(_)) => return Err(not_a_folder(folder, "a file").into()),
                Some(Entry::Other(what)) => return Err(not_a_folder(folder, what).into()),
                None => {}
            }
        }
        Ok(None)
    }

    /// How long the file is; `None` if the host has left it out for being too long.
    pub(crate) async fn length(&self, blob: &ObjectId) -> Result<Option<u64>, Error> {
        let input = format!("{blob}\n");
        let given = Given { input: input.as_bytes(), ..Given::default() };
        let said = self.run("cat-file", &["--batch-check=%(objecttype) %(objectsize)"], given, SHORT).await?;
        let said = String::from_utf8_lossy(&said);
        Ok(said.trim_end().strip_prefix("blob ").and_then(|length| length.parse().ok()))
    }

    pub(crate) async fn content(&self, blob: &ObjectId) -> Result<Vec<u8>, Error> {
        let most = self.limits.document_bytes;
        self.run("cat-file", &["blob", blob.as_str()], Given::default(), most).await
    }
}

/// `MODE TYPE ID\tNAME`
fn parse(line: &[u8], path: &str) -> Option<Result<Entry, Error>> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (about, name) = (&line[..tab], &line[tab + 1..]);
    if name != path.as_bytes() {
        return None;
    }
    let about = String::from_utf8_lossy(about);
    let mut words = about.split(' ');
    let (mode, id) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
    let entry = match mode {
        "100644" => match id.parse() {
            Ok(id) => Entry::File(id),
            Err(_) => return None,
        },
        "040000" => Entry::Folder,
        "120000" => Entry::Other("a symbolic link"),
        "160000" => Entry::Other("a submodule"),
        "100755" => Entry::Other("marked as a program (mode 100755)"),
        _ => Entry::Other("something that Git writes in no commit of today"),
    };
    Some(Ok(entry))
}

fn not_a_file(path: &str, what: &str) -> Failure {
    Failure::new(GitFailure::NotAFile, format!("{path} is {what}; the document must be a plain file."))
}

fn not_a_folder(path: &str, what: &str) -> Failure {
    let detail = format!("{path} is {what}, and no folder in which the document could stand.");
    Failure::new(GitFailure::NotAFile, detail)
}
