//! The types that hold secrets never derive what would show them: a hand-written `Debug` names the type only,
//! and plaintext does not serialise.

use anyhow::Result;
use syn::visit::{self, Visit};

use super::Finding;
use crate::house::House;

/// The types whose content is a secret itself, wherever they are defined.
const SECRETS: [&str; 6] = ["Plaintext", "Digest", "DigestKey", "Sealed", "MasterKey", "RootSecret"];
/// Types of fields that show their bytes if the type around them derives that.
const BARE: [&str; 3] = ["Zeroizing", "KeyBytes", "SecretBytes"];
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
    fn look_at<'a>(
        &mut self,
        name: &syn::Ident,
        attributes: &[syn::Attribute],
        mut fields: impl Iterator<Item = &'a syn::Field>,
    ) {
        if !SECRETS.iter().any(|secret| name == secret) && !fields.any(|field| is_bare(&field.ty)) {
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
        self.look_at(&item.ident, &item.attrs, item.fields.iter());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.look_at(&item.ident, &item.attrs, item.variants.iter().flat_map(|variant| &variant.fields));
        visit::visit_item_enum(self, item);
    }
}

/// Does this type name one of the bare ones, at any depth?
fn is_bare(of_field: &syn::Type) -> bool {
    struct Names(bool);
    impl<'ast> Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= BARE.iter().any(|bare| segment.ident == bare);
            visit::visit_path_segment(self, segment);
        }
    }
    let mut names = Names(false);
    names.visit_type(of_field);
    names.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let mut derives = Derives { found: Vec::new() };
        derives.visit_file(&syn::parse_file(text).unwrap());
        derives.found.iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn a_secret_that_derives_debug_is_found() {
        assert_eq!(found("#[derive(Clone, Debug, serde::Serialize)]\nstruct Plaintext(String);"), [2, 2]);
        assert_eq!(found("#[derive(Debug)]\nstruct Name(String);"), [0; 0]);
    }

    #[test]
    fn bare_bytes_inside_a_type_that_derives_debug_are_found() {
        assert_eq!(found("#[derive(Debug)]\nstruct Key {\n    bytes: Option<Zeroizing<[u8; 32]>>,\n}"), [2]);
        assert_eq!(found("#[derive(Debug)]\nenum Key {\n    Of(KeyBytes),\n}"), [2]);
        assert_eq!(found("#[derive(Debug)]\nstruct Keys {\n    key: DigestKey,\n}"), [0; 0]);
    }
}
