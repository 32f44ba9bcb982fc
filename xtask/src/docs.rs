//! `cargo xtask docs`: writes anew those parts of the documents that the program generates from its own
//! definitions, and checks that they have not drifted.
//!
//! Such a part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`; its text is what
//! `claviger docs NAME` prints.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::house::House;
use crate::shell::{self, say, step};

const CLOSING: &str = "<!-- /generated -->";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Writes nothing: fails if a document differs from what is generated.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    step("generated documents");
    let drifted = drifted(&House::read()?)?;
    for (path, text) in &drifted {
        if !arguments.check {
            fs::write(shell::root().join(path), text).with_context(|| format!("write {path}"))?;
        }
        say(&format!(
            "   {path}: {}",
            if arguments.check { "NOT what is generated" } else { "written anew" }
        ));
    }
    if arguments.check && !drifted.is_empty() {
        bail!("run `cargo xtask docs`, and read what changed");
    }
    Ok(())
}

/// Fails if a document differs from what is generated.
pub(crate) fn check() -> Result<()> {
    run(&Arguments { check: true })
}

/// The documents that are not what would be generated now, with what they should be.
fn drifted(house: &House) -> Result<Vec<(String, String)>> {
    let mut generated = BTreeMap::new();
    let mut drifted = Vec::new();
    for path in house.written_files()?.into_iter().filter(|path| path.ends_with(".md")) {
        let text = house.text(&path)?;
        let anew = renew(&text, &mut |name| match generated.get(name) {
            Some(known) => Ok(String::clone(known)),
            None => {
                let fresh = generate(name)?;
                generated.insert(name.to_owned(), fresh.clone());
                Ok(fresh)
            }
        });
        let anew = anew.with_context(|| format!("in {path}"))?;
        if anew != text {
            drifted.push((path, anew));
        }
    }
    Ok(drifted)
}

fn generate(name: &str) -> Result<String> {
    let mut program =
        shell::cargo(&["run", "--quiet", "--locked", "--package", "claviger", "--", "docs", name]);
    shell::read(&mut program)
}

/// The text with each generated part made anew.
fn renew(text: &str, generate: &mut impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut anew = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        anew.push_str(line);
        let Some(name) =
            line.trim_end().strip_prefix("<!-- generated: ").and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let closing = lines.find(|line| line.trim_end() == CLOSING);
        let closing = closing.with_context(|| format!("the part generated as `{name}` has no end"))?;
        anew.push_str(&format!("\n{}\n\n{closing}", generate(name)?.trim()));
    }
    Ok(anew)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_made_anew() {
        let text = "a\n<!-- generated: x -->\nold\nold\n<!-- /generated -->\nb\n";
        let anew = renew(text, &mut |name| Ok(format!("new {name}\n"))).unwrap();
        assert_eq!(anew, "a\n<!-- generated: x -->\n\nnew x\n\n<!-- /generated -->\nb\n");
        assert_eq!(renew(&anew, &mut |name| Ok(format!("new {name}"))).unwrap(), anew);
    }

    #[test]
    fn a_part_without_an_end_is_an_error() {
        assert!(renew("<!-- generated: x -->\nold\n", &mut |_| Ok(String::new())).is_err());
    }
}
