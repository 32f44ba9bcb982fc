//! What the documents name in backticks exists: files, folders, crates, items by path, commands. All documents are
//! read but one: `docs/promises.md` names tests, and has a check of its own.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use syn::visit::{self, Visit};

use super::{Finding, markdown};
use crate::house::House;

const PROMISES: &str = "docs/promises.md";

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let known = Known::of(house);
    let mut findings = Vec::new();
    for document in house.written_files()?.iter().filter(|path| path.ends_with(".md") && *path != PROMISES) {
        let text = house.text(document)?;
        for (line, span) in markdown::code_spans(&text) {
            if let Some(what) = known.fault(house, &span) {
                findings.push(Finding::new(document, line, format!("`{span}`: {what}")));
            }
        }
    }
    Ok(findings)
}

/// The names of everything that we define, by the folder of its package.
struct Known {
    items: BTreeMap<String, BTreeSet<String>>,
    packages: BTreeSet<String>,
}

impl Known {
    fn of(house: &House) -> Self {
        let mut items: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in &house.sources {
            let mut names = Names(items.entry(source.package.clone()).or_default());
            // A module is named by its file.
            let parts = source.path.trim_end_matches(".rs").split('/');
            names.0.extend(parts.map(str::to_owned));
            names.visit_file(&source.syntax);
        }
        Self { items, packages: house.packages.ours.keys().cloned().collect() }
    }

    /// Why this can't be right, if it is a name at all.
    fn fault(&self, house: &House, span: &str) -> Option<String> {
        let words: Vec<&str> = span.split(' ').collect();
        match words.as_slice() {
            ["cargo", "xtask", task, ..] => self.demand("xtask", &camel(task), "no such task"),
            ["claviger", command, ..] if is_plain(command) => {
                // Those of the REST API's nouns are a table of texts.
                self.demand("claviger", command, "")
                    .and_then(|_| self.demand("claviger", &camel(command), "no such command"))
            }
            [name] if name.starts_with("claviger-") => {
                (!self.packages.contains(*name)).then(|| "no such package".to_owned())
            }
            [path] if path.contains("::") => self.item_fault(path),
            [path] if is_file_path(path) => {
                let there = [(*path).to_owned(), format!("crates/{path}")];
                let found = there.iter().any(|path| house.root.join(path.trim_end_matches('/')).exists());
                (!found).then(|| "no such file or folder".to_owned())
            }
            _ => None,
        }
    }

    /// `service::ambient::Clock`: every part after the crate is defined somewhere in it. `Service::write`: every
    /// part is defined in one and the same crate. What begins with another crate is not ours to check.
    fn item_fault(&self, path: &str) -> Option<String> {
        let name = |part: &str| part.split(['(', '!', '<', '{']).next().unwrap_or_default().to_owned();
        let mut parts: Vec<String> = path.split("::").map(name).filter(|part| !part.is_empty()).collect();
        if path.starts_with(|first: char| first.is_ascii_uppercase()) {
            let defined = self.items.values().any(|items| parts.iter().all(|part| items.contains(part)));
            return (!defined).then(|| "no crate of ours defines it".to_owned());
        }
        let package = parts.remove(0);
        let package = package.trim_start_matches("claviger_");
        let items = self.items.get(package)?;
        let missing = parts.iter().find(|part| *part != "*" && !items.contains(*part))?;
        Some(format!("`{package}` defines no `{missing}`"))
    }

    fn demand(&self, package: &str, item: &str, otherwise: &str) -> Option<String> {
        let there = self.items.get(package).is_some_and(|items| items.contains(item));
        (!there).then(|| otherwise.to_owned())
    }
}

/// A path of the workspace: has a slash or a known ending, and is no URL, pattern or path of HTTP.
fn is_file_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let ending = [".rs", ".md", ".toml", ".sql", ".json"].iter().any(|ending| word.ends_with(ending));
    let rooted = ["crates/", "docs/", "xtask/", ".ci/", "domain/", "store/", "service/", "api/"];
    plain
        && !word.starts_with(['.', '/'])
        && (ending && word.contains('/') || rooted.iter().any(|root| word.starts_with(root)))
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// `verify-log` is the command that the variant `VerifyLog` stands for.
fn camel(command: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    command.split('-').map(capital).collect()
}

struct Names<'a>(&'a mut BTreeSet<String>);

impl Names<'_> {
    fn add(&mut self, name: &syn::Ident) {
        self.0.insert(name.to_string());
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Const(item) => self.add(&item.ident),
            syn::Item::Enum(item) => self.add(&item.ident),
            syn::Item::Macro(syn::ItemMacro { ident: Some(name), .. }) => self.add(name),
            syn::Item::Mod(item) => self.add(&item.ident),
            syn::Item::Static(item) => self.add(&item.ident),
            syn::Item::Struct(item) => self.add(&item.ident),
            syn::Item::Trait(item) => self.add(&item.ident),
            syn::Item::Type(item) => self.add(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add(&variant.ident);
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.0.insert(literal.value());
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.add(&signature.ident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_found() {
        let house = House::read().unwrap();
        let known = Known::of(&house);
        for good in [
            "cargo xtask tidy",
            "claviger-domain",
            "crates/domain/src/id.rs",
            "domain/src/id.rs",
            "testkit::Postgres::create_database()",
            "SELECT … FOR UPDATE",
            "/v1/key-sets",
            "key_sets:revoke",
            "tokio::sync::watch",
            "Postgres::create_database",
        ] {
            assert_eq!(known.fault(&house, good), None, "{good}");
        }
        for bad in [
            "cargo xtask sing",
            "claviger-dungeon",
            "crates/dungeon",
            "testkit::Postgres::sing",
            "claviger sing",
            "Postgres::sing",
        ] {
            assert!(known.fault(&house, bad).is_some(), "{bad}");
        }
    }
}
