//! Words and attributes that nothing of ours contains: work put off, tests not run, lints silenced without a
//! reason, files that don't say what they are for.

use anyhow::Result;

use super::{Finding, markdown};
use crate::house::House;

/// Put together here, so that this file does not contain them.
const PUT_OFF: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
const IGNORED: [&str; 2] = [concat!("#[ig", "nore"), concat!("#[should_panic", "]")];
const SILENCED: [&str; 2] = [concat!("#[al", "low("), concat!("#![al", "low(")];
const TEXTS: [&str; 10] = ["rs", "md", "toml", "sql", "sh", "yml", "yaml", "html", "js", "css"];
const AMBIENT: &str = concat!("clippy::disallowed", "_methods");

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in house.written_files()? {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        // Vendored files are not ours to mend.
        if TEXTS.contains(&extension) && !path.contains("/vendor/") {
            let text = house.text(&path)?;
            findings.extend(text.lines().enumerate().filter_map(|(index, line)| {
                let what = banned(line, extension == "rs")?;
                Some(Finding::new(&path, index + 1, what))
            }));
        }
    }
    for source in &house.sources {
        if !source.text.starts_with("//!") {
            findings.push(Finding::new(&source.path, 1, "a file opens with `//!`, saying what it is for"));
        }
    }
    findings.extend(ambient(house)?);
    Ok(findings)
}

fn banned(line: &str, rust: bool) -> Option<String> {
    if let Some(word) = PUT_OFF.iter().find(|word| line.contains(**word)) {
        return Some(format!("`{word}`: do it, or write down why not"));
    }
    let line = line.trim_start();
    if rust && let Some(word) = IGNORED.iter().find(|word| line.starts_with(**word)) {
        return Some(format!("`{word}`: a test runs, and says what it expects"));
    }
    if rust && SILENCED.iter().any(|word| line.starts_with(word)) {
        return Some("silence a lint by `#[expect(…, reason = \"…\")]`".to_owned());
    }
    None
}

/// The ambient clock, chance and environment are asked in the files that ARCHITECTURE.md lists, and no other.
fn ambient(house: &House) -> Result<Vec<Finding>> {
    let text = house.text("ARCHITECTURE.md")?;
    let rows = markdown::table(&text, "ambient").unwrap_or_default();
    let listed: Vec<String> = rows
        .iter()
        .flat_map(|(_, cells)| markdown::code_spans(&cells.join(" ")))
        .map(|(_, span)| span)
        .collect();
    let asking = house.production().filter(|source| source.text.contains(AMBIENT));
    let unlisted = asking.filter(|source| !listed.contains(&source.path));
    let findings = unlisted.map(|source| {
        Finding::new(
            &source.path,
            0,
            "asks its surroundings, and is not in ARCHITECTURE.md's list of those that may",
        )
    });
    Ok(findings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words_are_found_where_they_count() {
        assert!(banned(&format!("// {}: later", PUT_OFF[0]), true).is_some());
        assert!(banned(&format!("    {}]", IGNORED[0]), true).is_some());
        assert!(banned(&format!("    {}clippy::all)]", SILENCED[0]), true).is_some());
        assert!(banned(&format!("never `{}…`", SILENCED[0]), false).is_none());
        assert!(banned("#[expect(clippy::x, reason = \"y\")]", true).is_none());
    }
}
