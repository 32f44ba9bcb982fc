//! The parts of `docs/` that are made from the program itself, so that they can't tell anything else than
//! it does. `cargo xtask docs` puts them between their markers; a test fails when one differs.

mod commands;
mod configuration;
mod errors;
mod events;
mod permissions;

use crate::arguments::Page;

/// The text of a part.
pub(crate) fn page(page: Page) -> String {
    match page {
        Page::Configuration => configuration::tables(),
        Page::Errors => errors::problems(),
        Page::Decisions => errors::decisions(),
        Page::Permissions => permissions::table(),
        Page::Events => events::table(),
        Page::Commands => commands::table(),
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
    fn the_generated_parts_of_docs_are_what_the_program_says() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for one in Page::value_variants() {
            let name = one.to_possible_value().unwrap().get_name().to_owned();
            let file = if name == "decisions" { "errors" } else { &name };
            let kept = std::fs::read_to_string(docs.join(format!("{file}.md"))).unwrap();
            let part = format!("<!-- generated: {name} -->\n\n{}\n\n<!-- /generated -->", page(*one).trim());
            assert!(kept.contains(&part), "docs/{file}.md differs: run `cargo xtask docs`");
        }
    }
}
