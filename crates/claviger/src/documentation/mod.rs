//! The pages of `docs/` that are made from the program itself, so that they can't tell anything else than
//! it does. `claviger docs PAGE > docs/PAGE.md` writes one; a test fails when one differs.

mod commands;
mod configuration;
mod errors;
mod events;
mod permissions;

use crate::arguments::Page;

/// The text of a page.
pub(crate) fn page(page: Page) -> String {
    match page {
        Page::Configuration => configuration::page(),
        Page::Errors => errors::page(),
        Page::Permissions => permissions::page(),
        Page::Events => events::page(),
        Page::Commands => commands::page(),
    }
}

/// A row of a table in Markdown.
fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let cells = cells.into_iter().map(|cell| cell.as_ref().replace('|', "\\|"));
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// The head of a table in Markdown.
fn head(titles: &[&str]) -> String {
    row(titles) + &row(titles.iter().map(|_| "---"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn the_pages_in_docs_are_what_the_program_says() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for one in Page::value_variants() {
            let name = one.to_possible_value().unwrap().get_name().to_owned();
            let kept = std::fs::read_to_string(docs.join(format!("{name}.md"))).unwrap_or_default();
            assert!(kept == page(*one), "docs/{name}.md differs: cargo run -- docs {name} > docs/{name}.md");
        }
    }
}
