//! `cargo xtask docs`: writes anew those parts of the documents that the program makes of its own definitions. That
//! none has drifted is for the program's own tests to say.
//!
//! Such a part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`; its text is what
//! `claviger docs NAME` prints.

use std::fs;

use anyhow::{Context as _, Result};

use crate::house::House;
use crate::shell::{self, say, step};

const CLOSING: &str = "<!-- /generated -->";

pub(crate) fn run() -> Result<()> {
    step("generated documents");
    let house = House::read()?;
    // The whole workspace, as the tests build it: built alone, the program would have other features, and so
    // would everything below it be built twice.
    shell::run(&mut shell::cargo(&["build", "--quiet", "--locked", "--workspace", "--bins"]))?;
    let program = shell::target_folder().join("debug/claviger");
    let mut generate = |name: &str| shell::read(&mut shell::command(&program, &["docs", name]));
    for path in house.written_files()?.into_iter().filter(|path| path.ends_with(".md")) {
        let text = house.text(&path)?;
        let anew = renew(&text, &mut generate).with_context(|| format!("in {path}"))?;
        if anew != text {
            fs::write(house.root.join(&path), anew).with_context(|| format!("write {path}"))?;
            say(&format!("   {path}: written anew"));
        }
    }
    Ok(())
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
