//! No page leads to one that is not there.

use std::fs;
use std::path::{Path, PathBuf};

use super::guide::root;

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
