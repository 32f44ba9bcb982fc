//! No page leads to one that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use super::guide::root;
use super::guides::spellings;

fn pages() -> Vec<PathBuf> {
    let of = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md"))
    };
    of(root()).chain(of(root().join("docs"))).chain(of(root().join("docs/adr"))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 10, "{pages:?}");
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            let there = page.parent().unwrap_or(Path::new(".")).join(file);
            assert!(there.exists(), "{}: {target} is not there", page.display());
        }
    }
}

/// Pages with something to run or to configure that no test runs, and why.
const NOT_RUN: [(&str, &str); 1] =
    [("traefik.md", "no package manager that the test command knows has the program")];

/// A page with a shell block, or with a configuration, is run by a test, or is known not to be.
#[test]
fn every_guide_runs_or_is_known_not_to() {
    let runs = include_str!("guides.rs");
    let languages = ["sh", "nginx", "caddyfile", "haproxy", "yaml"];
    let mut not_run = Vec::new();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&page).unwrap();
        let says_how = languages.iter().any(|it| text.contains(&format!("```{it}\n")));
        if says_how && !runs.contains(&format!("\"{name}\"")) {
            not_run.push(name);
        }
    }
    not_run.sort();
    assert_eq!(not_run, NOT_RUN.map(|(name, _)| name));
}

/// Nothing runs this page, so what it takes out is looked at here.
#[test]
fn behind_traefik_each_spelling_of_a_credential_is_taken_out() {
    let page = pages().into_iter().find(|page| page.ends_with("traefik.md")).unwrap();
    let text = fs::read_to_string(page).unwrap();
    let spelled = spellings("X", "API", "Key").into_iter().chain(spellings("X", "API", "Secret"));
    for name in spelled.chain(["Authorization".to_owned()]) {
        assert!(text.lines().any(|line| line.trim() == format!("{name}: \"\"")), "{name}");
    }
}
