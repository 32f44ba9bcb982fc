//! `docs/promises.md`: every row of what Claviger promises, its state, and the tests that prove it. A row that
//! is built names tests, and they exist; the test command demands that they also ran.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::{Finding, markdown};
use crate::house::House;

const LIST: &str = "docs/promises.md";
/// How many rows each part of the product has.
const PARTS: [(char, u32); 7] = [('A', 8), ('B', 6), ('C', 10), ('D', 17), ('E', 6), ('F', 7), ('G', 9)];

/// The list, read.
pub(crate) struct Promises {
    rows: Vec<Row>,
}

struct Row {
    line: usize,
    name: String,
    state: State,
    tests: Vec<TestName>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Built,
    /// Built but for the words quoted.
    Partly(String),
    NotYet,
    Unknown(String),
}

/// `crates/api/tests/http.rs::key_sets::revoke` or `domain::time::tests::months_end`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TestName {
    written: String,
    /// The package's folder, or the test's file.
    place: String,
    /// The function with the modules around it.
    path: String,
}

impl Promises {
    pub(crate) fn read(house: &House) -> Result<Self> {
        let text = house.text(LIST)?;
        let table = markdown::table(&text, "promises")
            .context("docs/promises.md has no table between its markers")?;
        let rows = table.into_iter().map(|(line, cells)| Row::parse(line, &cells));
        Ok(Self { rows: rows.collect() })
    }

    /// The promised tests that are not among the names of those that passed.
    pub(crate) fn not_among(&self, passed: &BTreeSet<String>) -> Vec<String> {
        let tests = self.rows.iter().flat_map(|row| &row.tests);
        let missing = tests.filter(|test| {
            let inner = format!("::{}", test.path);
            !passed.contains(&test.path) && !passed.iter().any(|name| name.ends_with(&inner))
        });
        missing.map(|test| test.written.clone()).collect()
    }
}

impl Row {
    fn parse(line: usize, cells: &[String]) -> Self {
        let cell = |index: usize| cells.get(index).map(String::as_str).unwrap_or_default();
        let tests = markdown::code_spans(cell(2)).into_iter().map(|(_, span)| TestName::parse(&span));
        Self { line, name: cell(0).to_owned(), state: State::parse(cell(1)), tests: tests.collect() }
    }
}

impl State {
    fn parse(cell: &str) -> Self {
        match cell.split_once(':').map_or((cell, ""), |(word, rest)| (word, rest.trim())) {
            ("built", "") => Self::Built,
            ("not yet", "") => Self::NotYet,
            ("later", words) if !words.is_empty() => Self::Partly(words.to_owned()),
            _ => Self::Unknown(cell.to_owned()),
        }
    }
}

impl TestName {
    fn parse(written: &str) -> Self {
        let (place, path) = match written.split_once(".rs::") {
            Some((file, path)) => (format!("{file}.rs"), path),
            None => {
                let (package, path) = written.split_once("::").unwrap_or((written, ""));
                (package.trim_start_matches("claviger_").to_owned(), path)
            }
        };
        Self { written: written.to_owned(), place, path: path.to_owned() }
    }
}

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let promises = Promises::read(house)?;
    let tests = Tests::of(house);
    let mut findings = misnumbered(&promises.rows);
    for row in &promises.rows {
        let mut found = |what: String| findings.push(Finding::new(LIST, row.line, what));
        match &row.state {
            State::Built | State::Partly(_) if row.tests.is_empty() => {
                found(format!("{} is built, and no test proves it", row.name));
            }
            State::NotYet if !row.tests.is_empty() => {
                found(format!("{} has tests: say what is built", row.name))
            }
            State::Unknown(state) => {
                found(format!("{}: \"{state}\" is not `built`, `later: …` or `not yet`", row.name));
            }
            State::Built | State::Partly(_) | State::NotYet => {}
        }
        for test in row.tests.iter().filter(|test| !tests.have(test)) {
            found(format!("{}: there is no test `{}`", row.name, test.written));
        }
    }
    Ok(findings)
}

/// Rows of the product that are missing here, or here twice, or unheard of.
fn misnumbered(rows: &[Row]) -> Vec<Finding> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (part, last) in PARTS {
        counts.extend((1..=last).map(|number| (format!("{part}{number}"), 0)));
    }
    let mut findings = Vec::new();
    for row in rows {
        match counts.get_mut(&row.name) {
            Some(count) => *count += 1,
            None => findings.push(Finding::new(
                LIST,
                row.line,
                format!("no row of the product is `{}`", row.name),
            )),
        }
    }
    let wrong = counts.iter().filter(|(_, count)| **count != 1);
    findings
        .extend(wrong.map(|(name, count)| Finding::new(LIST, 0, format!("{name} is here {count} times"))));
    findings
}

/// The tests that exist.
struct Tests {
    /// File, modules within the file, function.
    written: Vec<(String, String)>,
    /// By file: words that a macro may have made tests of.
    in_macros: Vec<(String, BTreeSet<String>)>,
}

impl Tests {
    fn of(house: &House) -> Self {
        let mut all = Self { written: Vec::new(), in_macros: Vec::new() };
        for source in &house.sources {
            let mut found = TestFunctions::default();
            found.visit_file(&source.syntax);
            all.written.extend(found.paths.into_iter().map(|path| (source.path.clone(), path)));
            all.in_macros.push((source.path.clone(), found.in_macros));
        }
        all
    }

    fn have(&self, test: &TestName) -> bool {
        let (modules, function) = test.path.rsplit_once("::").unwrap_or(("", &test.path));
        let in_place = |file: &str| test.is_in(file);
        let written = self.written.iter().any(|(file, path)| {
            in_place(file) && full_path(file, path).ends_with(&test.path) && path.ends_with(function)
        });
        // A suite is written once, and a macro makes a module of it for each backend.
        let made = self.in_macros.iter().any(|(file, words)| {
            let parts = modules.split("::").filter(|part| !part.is_empty());
            in_place(file)
                && words.contains(function)
                && parts.into_iter().all(|part| is_module(file, part, words))
        });
        written || made
    }
}

impl TestName {
    fn is_in(&self, file: &str) -> bool {
        let package = |folder: &str| file.starts_with(&format!("{folder}/src/"));
        file == self.place || package(&format!("crates/{}", self.place)) || package(&self.place)
    }
}

fn is_module(file: &str, part: &str, words: &BTreeSet<String>) -> bool {
    words.contains(part) || file.contains(&format!("/{part}")) || part == "tests"
}

/// `a/b.rs` with `tests::c` inside is `b::tests::c`.
fn full_path(file: &str, inside: &str) -> String {
    let stem = file.trim_end_matches(".rs");
    let module = stem.split_once("/src/").map_or("", |(_, module)| module);
    let modules = module.split('/').filter(|part| !["lib", "main", "mod", ""].contains(part));
    modules.chain([inside]).collect::<Vec<_>>().join("::")
}

#[derive(Default)]
struct TestFunctions {
    modules: Vec<String>,
    paths: Vec<String>,
    in_macros: BTreeSet<String>,
}

impl TestFunctions {
    fn add(&mut self, name: &str) {
        let mut path = self.modules.clone();
        path.push(name.to_owned());
        self.paths.push(path.join("::"));
    }

    /// Functions with `#[test]` in a macro's tokens, as `proptest!` has them; and every word, for suites.
    fn look_into(&mut self, tokens: TokenStream) {
        let mut marked = false;
        let mut after_fn = false;
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    marked |= group.stream().to_string().ends_with("test");
                    self.look_into(group.stream());
                }
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    if after_fn && marked {
                        self.add(&word);
                        marked = false;
                    }
                    after_fn = word == "fn";
                    self.in_macros.insert(word);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for TestFunctions {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
        };
        if function.attrs.iter().any(is_test) {
            self.add(&function.sig.ident.to_string());
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        self.look_into(item.mac.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_functions(file: &str, text: &str) -> Tests {
        let mut found = TestFunctions::default();
        found.visit_file(&syn::parse_file(text).unwrap());
        Tests {
            written: found.paths.into_iter().map(|path| (file.to_owned(), path)).collect(),
            in_macros: vec![(file.to_owned(), found.in_macros)],
        }
    }

    #[test]
    fn rows_have_states() {
        assert_eq!(State::parse("built"), State::Built);
        assert_eq!(State::parse("not yet"), State::NotYet);
        assert_eq!(State::parse("later: consumers are told"), State::Partly("consumers are told".to_owned()));
        assert_eq!(State::parse("soon"), State::Unknown("soon".to_owned()));
        assert_eq!(State::parse("later:"), State::Unknown("later:".to_owned()));
    }

    #[test]
    fn a_unit_test_is_found_by_its_path() {
        let text = "mod tests { #[test] fn good() {} fn no_test() {} }";
        let tests = test_functions("crates/domain/src/time.rs", text);
        assert!(tests.have(&TestName::parse("domain::time::tests::good")));
        assert!(tests.have(&TestName::parse("claviger_domain::time::tests::good")));
        for wrong in ["domain::time::tests::no_test", "domain::id::tests::good", "store::time::tests::good"] {
            assert!(!tests.have(&TestName::parse(wrong)), "{wrong}");
        }
    }

    #[test]
    fn an_integration_test_is_found_by_its_file() {
        let tests = test_functions("crates/api/tests/http.rs", "#[tokio::test] async fn good() {}");
        assert!(tests.have(&TestName::parse("crates/api/tests/http.rs::good")));
        assert!(!tests.have(&TestName::parse("crates/api/tests/other.rs::good")));
    }

    #[test]
    fn tests_made_by_macros_are_found() {
        let text =
            "proptest! { #[test] fn always(x in 0..9) {} }\nsuite!(sqlite, postgres: gapless, chained);";
        let tests = test_functions("crates/store/tests/contract.rs", text);
        for good in ["always", "sqlite::gapless", "postgres::chained"] {
            assert!(
                tests.have(&TestName::parse(&format!("crates/store/tests/contract.rs::{good}"))),
                "{good}"
            );
        }
        for wrong in ["sqlite::gapful", "mysql::gapless"] {
            assert!(
                !tests.have(&TestName::parse(&format!("crates/store/tests/contract.rs::{wrong}"))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_promised_test_that_did_not_run_is_named() {
        let row = Row::parse(
            1,
            &["D1".into(), "built".into(), "`domain::time::tests::a`, `crates/x/tests/y.rs::b`".into()],
        );
        let promises = Promises { rows: vec![row] };
        let passed = BTreeSet::from(["time::tests::a".to_owned(), "inner::b".to_owned()]);
        assert_eq!(promises.not_among(&passed), Vec::<String>::new());
        assert_eq!(
            promises.not_among(&BTreeSet::new()),
            ["domain::time::tests::a", "crates/x/tests/y.rs::b"]
        );
    }

    #[test]
    fn each_row_of_the_product_is_here_once() {
        let row = |name: &str| Row::parse(1, &[name.into(), "not yet".into(), String::new()]);
        let mut rows: Vec<Row> = PARTS
            .iter()
            .flat_map(|(part, last)| (1..=*last).map(move |n| row(&format!("{part}{n}"))))
            .collect();
        assert!(misnumbered(&rows).is_empty());
        rows.push(row("D1"));
        rows.push(row("H1"));
        assert_eq!(misnumbered(&rows).len(), 2);
    }
}
