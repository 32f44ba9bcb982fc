//! House numbers: how long files, functions and handlers may be. Over the hard stop, split.

use anyhow::Result;
use syn::visit::{self, Visit};

use super::Finding;
use crate::house::{self, House, Role, Source};
use crate::shell::say;

const FILE: usize = 600;
const FUNCTION: usize = 80;
const HANDLER: usize = 40;
const DIALECT: &str = "crates/store/src/dialect.rs";
const DIALECT_FUNCTIONS: usize = 12;

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for source in house.production() {
        let lines = production_lines(source);
        if lines > FILE {
            findings.push(Finding::new(&source.path, 0, format!("{lines} production lines; at most {FILE}")));
        }
        let functions = functions(source);
        for function in &functions {
            let (kind, most) = if function.handler { ("handler", HANDLER) } else { ("function", FUNCTION) };
            if function.lines > most {
                let what = format!("{kind} `{}` has {} lines; at most {most}", function.name, function.lines);
                findings.push(Finding::new(&source.path, function.line, what));
            }
        }
        if source.path == DIALECT && functions.len() > DIALECT_FUNCTIONS {
            let what =
                format!("{} functions; at most {DIALECT_FUNCTIONS} where databases differ", functions.len());
            findings.push(Finding::new(&source.path, 0, what));
        }
    }
    Ok(findings)
}

/// Prints medians and ninetieth percentiles: what the house numbers aim at.
pub(super) fn report(house: &House) {
    let files: Vec<usize> = house.production().map(production_lines).collect();
    let all: Vec<Function> = house.production().flat_map(functions).collect();
    let (handlers, others): (Vec<&Function>, Vec<&Function>) =
        all.iter().partition(|function| function.handler);
    let written: usize = files.iter().sum();
    let in_files = |role| house.sources.iter().filter(move |source| source.role == role);
    let test_files: usize = in_files(Role::Test).map(|source| source.text.lines().count()).sum();
    let all_lines: usize = in_files(Role::Production).map(|source| source.text.lines().count()).sum();
    let tests = test_files + all_lines - written;
    say(&numbers("files", files));
    say(&numbers("functions", others.iter().map(|function| function.lines).collect()));
    say(&numbers("handlers", handlers.iter().map(|function| function.lines).collect()));
    say(&format!("   test lines to production lines: {tests} to {written}"));
}

fn numbers(what: &str, mut lines: Vec<usize>) -> String {
    lines.sort_unstable();
    let at = |percent: usize| lines.get(lines.len() * percent / 100).or(lines.last()).copied().unwrap_or(0);
    let longest = lines.last().copied().unwrap_or(0);
    format!("   {} {what}: median {} lines, p90 {}, longest {longest}", lines.len(), at(50), at(90))
}

/// All lines but those of what only tests compile.
fn production_lines(source: &Source) -> usize {
    let for_tests = source.syntax.items.iter().filter(|item| house::is_for_tests(house::attributes(item)));
    source.text.lines().count() - for_tests.map(house::lines).sum::<usize>()
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
    handler: bool,
}

/// The functions of a file that are not for tests alone, without attributes and documentation.
fn functions(source: &Source) -> Vec<Function> {
    let mut functions = Functions { handlers: source.package == "api", found: Vec::new() };
    functions.visit_file(&source.syntax);
    functions.found
}

struct Functions {
    handlers: bool,
    found: Vec<Function>,
}

impl Functions {
    fn add(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, block: &syn::Block) {
        // A handler is what describes its route to the OpenAPI document: `#[utoipa::path(…)]`.
        let describes_route = attributes.iter().any(|attribute| {
            attribute.path().segments.first().is_some_and(|segment| segment.ident == "utoipa")
        });
        let line = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line - line + 1;
        self.found.push(Function {
            name: signature.ident.to_string(),
            line,
            lines,
            handler: self.handlers && describes_route,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !house::is_for_tests(house::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.attrs, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.attrs, &item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.attrs, &item.sig, block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            path: "crates/api/src/x.rs".to_owned(),
            package: "api".to_owned(),
            role: Role::Production,
            text: text.to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        }
    }

    #[test]
    fn tests_do_not_count_as_production() {
        let source = source("//! x\nfn a() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        assert_eq!(production_lines(&source), 4);
        let functions = functions(&source);
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), functions[0].line, functions[0].lines), ("a", 2, 2));
    }

    #[test]
    fn a_handler_is_known_by_its_route() {
        let source = source("#[utoipa::path(get)]\npub async fn read(\n) -> u8 {\n    1\n}\nfn help() {}\n");
        let functions = functions(&source);
        assert_eq!((functions[0].handler, functions[0].lines), (true, 4));
        assert!(!functions[1].handler);
    }
}
