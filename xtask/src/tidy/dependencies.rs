//! Manifests: every dependency is named once for the whole workspace, with a comment that says what it is for;
//! a package leans on nothing that its sources don't name, and obeys the workspace's lints.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::Finding;
use crate::house::{House, Package};

const WORKSPACE: &str = "Cargo.toml";

/// The one package that has a file with unsafe code, and so can't forbid it to every file.
const UNSAFE_PACKAGE: &str = "claviger-keeper";
const UNSAFE_FILE: &str = "crates/keeper/src/sandbox.rs";

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let text = house.text(WORKSPACE)?;
    let mut findings = uncommented(&text);
    findings.extend(check_lints(house, &text.parse().context("parse Cargo.toml")?)?);
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

/// Every package takes the workspace's lints; the one with unsafe code spells them out, that one loosened by a
/// step, and has it in one file.
fn check_lints(house: &House, workspace: &Table) -> Result<Vec<Finding>> {
    let shared =
        workspace.get("workspace").and_then(|workspace| workspace.get("lints")).context("the lints")?;
    let mut loosened = shared.clone();
    let rust = loosened.get_mut("rust").and_then(Value::as_table_mut).context("the lints of rustc")?;
    rust.insert("unsafe_code".to_owned(), "deny".into());
    let mut taken = Table::new();
    taken.insert("workspace".to_owned(), true.into());
    let mut findings = Vec::new();
    for (name, package) in &house.packages.ours {
        let path = format!("{}/Cargo.toml", package.folder);
        let manifest: Table = house.text(&path)?.parse().with_context(|| format!("parse {path}"))?;
        let lints = manifest.get("lints");
        let loose = name == UNSAFE_PACKAGE && lints == Some(&loosened);
        if !loose && lints != Some(&Value::Table(taken.clone())) {
            findings.push(Finding::new(path, 0, "its lints are not the workspace's"));
        }
    }
    let unsafe_lint = concat!("unsafe", "_code");
    let sources = house.sources.iter().filter(|source| source.text.contains(unsafe_lint));
    let others = sources.filter(|source| source.path != UNSAFE_FILE && source.package != "xtask");
    findings.extend(
        others.map(|source| Finding::new(&source.path, 0, format!("only {UNSAFE_FILE} has unsafe code"))),
    );
    Ok(findings)
}

fn check_manifest(
    house: &House,
    name: &str,
    package: &Package,
    path: &str,
    manifest: &Table,
) -> Vec<Finding> {
    let mut findings = Vec::new();
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
