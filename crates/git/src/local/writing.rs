//! A commit on top of another, that differs in one file: made from an index of its own, without any file on a disk.

use std::collections::BTreeSet;

use claviger_domain::git::{DocumentPath, ObjectId};

use super::{Given, Repository, SHORT};
use crate::Push;
use crate::error::Error;

/// Of a document's pack: it may be a little longer than the document itself.
const PACK_OVERHEAD: u64 = 16 * 1024 * 1024;

impl Repository {
    /// Keeps the document under its id.
    pub(crate) async fn keep(&self, document: &[u8]) -> Result<ObjectId, Error> {
        let given = Given { input: document, ..Given::default() };
        self.id("hash-object", &["-w", "--stdin", "--no-filters"], given).await
    }

    /// The commit.
    pub(crate) async fn commit(
        &self,
        parent: &ObjectId,
        path: &DocumentPath,
        blob: &ObjectId,
        push: &Push,
    ) -> Result<ObjectId, Error> {
        self.run("read-tree", &[parent.as_str()], Given::default(), SHORT).await?;
        let entry = format!("100644,{blob},{path}");
        self.run("update-index", &["--add", "--cacheinfo", &entry], Given::default(), SHORT).await?;
        // The files beside it may have been left out.
        let tree = self.id("write-tree", &["--missing-ok"], Given::default()).await?;
        let (name, email) = (plain(&push.author.name), plain(&push.author.email));
        let at = format!("@{} +0000", push.at.as_micros().div_euclid(1_000_000));
        let environment = [
            ("GIT_AUTHOR_NAME", &*name),
            ("GIT_AUTHOR_EMAIL", &email),
            ("GIT_AUTHOR_DATE", &at),
            ("GIT_COMMITTER_NAME", &name),
            ("GIT_COMMITTER_EMAIL", &email),
            ("GIT_COMMITTER_DATE", &at),
        ];
        let message = push.message.replace('\0', " ");
        let given = Given { input: message.as_bytes(), environment: &environment };
        self.id("commit-tree", &["-p", parent.as_str(), "-F", "-", tree.as_str()], given).await
    }

    /// The commit, the document, and the folders between them, packed: all that the host does not have.
    pub(crate) async fn pack(
        &self,
        commit: &ObjectId,
        path: &DocumentPath,
        blob: &ObjectId,
    ) -> Result<Vec<u8>, Error> {
        let names: Vec<String> =
            path.folders().chain([""]).map(|folder| format!("{commit}:{folder}\n")).collect();
        let given = Given { input: &names.concat().into_bytes(), ..Given::default() };
        let trees = self.run("cat-file", &["--batch-check=%(objectname)"], given, SHORT).await?;
        let trees = String::from_utf8_lossy(&trees).into_owned();
        let ids: BTreeSet<&str> = trees.lines().chain([commit.as_str(), blob.as_str()]).collect();
        let input = ids.into_iter().flat_map(|id| [id, "\n"]).collect::<String>().into_bytes();
        let given = Given { input: &input, ..Given::default() };
        let most = self.limits.document_bytes.saturating_add(self.limits.pack_bytes).max(PACK_OVERHEAD);
        self.run("pack-objects", &["--quiet", "--stdout", "--threads=1"], given, most).await
    }

    async fn id(
        &self,
        command: &'static str,
        arguments: &[&str],
        given: Given<'_>,
    ) -> Result<ObjectId, Error> {
        let said = self.run(command, arguments, given, SHORT).await?;
        let said = String::from_utf8_lossy(&said);
        said.trim_end().parse().map_err(|_| Error::Git {
            command,
            status: "no id".to_owned(),
            said: said.chars().take(100).collect(),
        })
    }
}

/// A name as Git writes it: on one line, and without the signs around an address of mail.
fn plain(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_control() || matches!(c, '<' | '>') { ' ' } else { c }).collect();
    let trimmed = plain.trim_matches(|c: char| c.is_whitespace() || ".,:;\"\\'".contains(c));
    if trimmed.is_empty() { "Claviger".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_not_leave_their_place_in_a_commit() {
        assert_eq!(plain("Ada <root@host>\ncommitter x"), "Ada  root@host  committer x");
        assert_eq!(plain(" \n"), "Claviger");
        assert_eq!(plain("J. Doe."), "J. Doe");
    }
}
