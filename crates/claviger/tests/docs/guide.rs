//! A guide: its fenced blocks, and a shell that runs them one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One fenced block.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
    /// Where it begins in the file.
    line: usize,
}

/// A page of `docs/` with addresses put in the place of those that it names.
#[derive(Debug)]
pub(super) struct Guide {
    name: String,
    blocks: Vec<Block>,
}

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Guide {
    pub(super) fn read(name: &str, addresses: &[(&str, String)]) -> Self {
        let file = root().join("docs").join(name);
        let mut text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for (shown, real) in addresses {
            assert!(text.contains(shown), "{name} does not name {shown}");
            text = text.replace(shown, real);
        }
        Self { name: name.to_owned(), blocks: blocks(&text) }
    }

    /// The one block in this language.
    pub(super) fn only(&self, language: &str) -> &str {
        let mut found = self.blocks.iter().filter(|block| block.language == language);
        let block = found.next().unwrap_or_else(|| panic!("{} has no block of {language}", self.name));
        assert!(found.next().is_none(), "{} has several blocks of {language}", self.name);
        &block.text
    }

    /// Runs the shell blocks in one shell, and compares what each prints with the `text` block after it.
    pub(super) fn run(&self, shell: &mut Command) {
        let script = self.script();
        let output = shell.arg("-c").arg(&script).output().expect("a shell");
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut answers = said.split("\u{1}\n");
        for (at, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.language == "sh") {
            let answer = answers.next().unwrap_or_default();
            let place = format!("docs/{}, block at line {}", self.name, block.line);
            match self.blocks.get(at + 1).filter(|next| next.language == "text") {
                Some(expected) => assert!(
                    matches(&expected.text, answer),
                    "{place} printed:\n{answer}\nand should have printed:\n{}\nerrors:\n{complained}",
                    expected.text
                ),
                None => assert!(answer.is_empty(), "{place} printed:\n{answer}\nerrors:\n{complained}"),
            }
        }
        assert!(output.status.success(), "docs/{}: {}\n{complained}", self.name, output.status);
    }

    fn script(&self) -> String {
        let mut script = String::from("set -u -o pipefail\n");
        for block in self.blocks.iter().filter(|block| block.language == "sh") {
            script.push_str(&block.text);
            script.push_str("\nprintf '\\001\\n'\n");
        }
        script
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new(), line: at + 1 });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

/// Whether the output is what was expected; `…` stands for anything within a line.
fn matches(expected: &str, answer: &str) -> bool {
    let (expected, answer): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), answer.lines().collect());
    expected.len() == answer.len() && expected.iter().zip(answer).all(|(line, answer)| fits(line, answer))
}

fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn an_ellipsis_stands_for_anything_within_a_line() {
    assert!(matches("a … c\nd\n", "a bb c\nd\n"));
    assert!(matches("…\n", "anything\n"));
    assert!(matches("pol_… api_…\n", "pol_1 api_2\n"));
    for (pattern, line) in [("a\n", "b\n"), ("a\n", "a\nb\n"), ("a…c\n", "ab\n"), ("a…b…c\n", "acb\n")]
    {
        assert!(!matches(pattern, line), "{pattern} {line}");
    }
}
