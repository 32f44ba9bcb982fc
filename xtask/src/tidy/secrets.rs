//! The types that hold secrets never derive what would show them: a hand-written `Debug` names the type only,
//! and plaintext does not serialise.

use anyhow::Result;
use syn::visit::{self, Visit};

use super::Finding;
use crate::house::House;

/// Types whose content must not leave by accident, wherever they are defined.
const SECRETS: [&str; 12] = [
    "Plaintext",
    "Digest",
    "DigestKey",
    "Sealed",
    "Secret",
    "MasterKey",
    "RootSecret",
    "SealingKey",
    "KeyTree",
    "Keys",
    "Credential",
    "Presented",
];
const SHOWING: [&str; 3] = ["Debug", "Serialize", "Display"];

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let findings = house.production().flat_map(|source| {
        let mut derives = Derives { found: Vec::new() };
        derives.visit_file(&source.syntax);
        derives.found.into_iter().map(|(line, what)| Finding::new(&source.path, line, what))
    });
    Ok(findings.collect())
}

struct Derives {
    found: Vec<(usize, String)>,
}

impl Derives {
    fn look_at(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        if !SECRETS.iter().any(|secret| name == secret) {
            return;
        }
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            // What can't be read as a list of paths does not compile either.
            let _ = attribute.parse_nested_meta(|meta| {
                let derived =
                    meta.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
                if SHOWING.contains(&derived.as_str()) {
                    let what = format!("`{name}` holds a secret and derives `{derived}`");
                    self.found.push((name.span().start().line, what));
                }
                Ok(())
            });
        }
    }
}

impl<'ast> Visit<'ast> for Derives {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.look_at(&item.ident, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.look_at(&item.ident, &item.attrs);
        visit::visit_item_enum(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_derives_debug_is_found() {
        let text = "#[derive(Clone, Debug, serde::Serialize)]\nstruct Plaintext(String);\n#[derive(Debug)]\nstruct Name;";
        let mut derives = Derives { found: Vec::new() };
        derives.visit_file(&syn::parse_file(text).unwrap());
        let lines: Vec<usize> = derives.found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 2]);
    }
}
