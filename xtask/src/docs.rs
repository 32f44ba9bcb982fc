//! `cargo xtask docs`: writes anew the pages of `docs/` that the program makes of its own definitions. That none has
//! drifted is for the program's own tests to say.

use std::fs;

use anyhow::{Context as _, Result};

use crate::house::House;
use crate::shell::{self, say, step};

pub(crate) fn run() -> Result<()> {
    step("generated documents");
    let house = House::read()?;
    // The whole workspace, as the tests build it: built alone, the program would have other features, and so
    // would everything below it be built twice.
    shell::run(&mut shell::cargo(&["build", "--quiet", "--locked", "--workspace", "--bins"]))?;
    for path in house.written_files()? {
        let Some(page) = page(&path, &house.text(&path).unwrap_or_default()) else { continue };
        let program = shell::target_folder().join("debug/claviger");
        let text = shell::read(&mut shell::command(program, &["docs", page]))?;
        let changed = house.text(&path)? != text;
        fs::write(house.root.join(&path), text).with_context(|| format!("write {path}"))?;
        say(&format!("   {path}: {}", if changed { "written anew" } else { "as it was" }));
    }
    Ok(())
}

/// The page that a document is, if it says that the program made it.
fn page<'path>(path: &'path str, text: &str) -> Option<&'path str> {
    let page = path.strip_prefix("docs/")?.strip_suffix(".md")?;
    text.contains(&format!("*Made by `claviger docs {page}`")).then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_page_says_so() {
        assert_eq!(page("docs/errors.md", "# Errors\n\n*Made by `claviger docs errors`; …*"), Some("errors"));
        assert_eq!(page("docs/errors.md", "# Errors\n\n*Made by `claviger docs events`*"), None);
        assert_eq!(page("docs/nginx.md", "# nginx"), None);
    }
}
