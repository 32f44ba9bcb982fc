//! Manifests: every dependency is named once for the whole workspace, with a comment that says what it is for;
//! a package leans on nothing that its sources don't name, and obeys the workspace's lints.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::Finding;
use crate::house::{House, Package};

const WORKSPACE: &str = "Cargo.toml";

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let mut findings = uncommented(&house.text(WORKSPACE)?);
    for (name, package) in &house.packages.ours {
        let path = format!("{}/Cargo.toml", package.folder);
        let manifest: Table = house.text(&path)?.parse().with_context(|| format!("parse {path}"))?;
        findings.extend(check_manifest(house, name, package, &path, &manifest));
    }
    Ok(findings)
}

/// The workspace's dependencies without a comment in the line above. Ours share one.
fn uncommented(manifest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    let mut previous = "";
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(" = ") {
            let told = previous.starts_with('#') || name.starts_with("claviger-");
            if !told && !line.starts_with([' ', '#', '}']) {
                findings.push(Finding::new(
                    WORKSPACE,
                    index + 1,
                    format!("no comment says what `{name}` is for"),
                ));
            }
        }
        previous = line;
    }
    findings
}

fn check_manifest(
    house: &House,
    name: &str,
    package: &Package,
    path: &str,
    manifest: &Table,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if lints != Some(true) {
        findings.push(Finding::new(path, 0, "does not take the workspace's lints"));
    }
    let inside = format!("{}/", package.folder);
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(dependencies) = manifest.get(kind).and_then(Value::as_table) else { continue };
        for (dependency, value) in dependencies {
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings.push(Finding::new(path, 0, format!("`{dependency}` is not the workspace's")));
            }
            let identifier = dependency.replace('-', "_");
            let mut sources = house.sources.iter().filter(|source| source.path.starts_with(&inside));
            if !sources.any(|source| names(&source.text, &identifier)) {
                findings.push(Finding::new(path, 0, format!("`{name}` never names `{dependency}`")));
            }
        }
    }
    findings
}

/// Does this text contain the identifier as a whole word?
fn names(text: &str, identifier: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(identifier)
        .any(|(at, _)| !text[..at].ends_with(of_word) && !text[at + identifier.len()..].starts_with(of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_comment_is_found() {
        let manifest = "[workspace.dependencies]\n# Good.\na = \"1\"\nb = { x = \"1\" }\nclaviger-c = \"1\"\n[other]\nd = \"1\"\n";
        let lines: Vec<usize> = uncommented(manifest).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [4]);
    }

    #[test]
    fn names_are_whole_words() {
        assert!(names("use http::Request;", "http"));
        assert!(!names("use http_body::Body;", "http"));
        assert!(!names("hyperhttp", "http"));
    }
}
