//! SQL stands in the store and nowhere else, and there only as named constants in its lists of statements
//! (`statements!`) and of the parts that list queries are put together from (`fragments!`): what is listed is
//! prepared on both databases by a test. Two places have more: the folder that puts list queries together, and the
//! dialect file, which says how a transaction begins.

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Finding;
use crate::house::{self, House, Source};

const HOME: &str = "crates/store/src/";
const ASSEMBLER: &str = "crates/store/src/list/";
const DIALECT: &str = "crates/store/src/dialect.rs";
const LISTS: [&str; 2] = ["statements", "fragments"];
/// Administers the clusters that tests run on; no part of the product.
const EXEMPT: [&str; 2] = ["testkit", "xtask"];

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let exempt =
        |source: &Source| EXEMPT.contains(&source.package.as_str()) || source.path.starts_with(ASSEMBLER);
    let sources = house.production().filter(|source| !exempt(source));
    Ok(sources.flat_map(check_source).collect())
}

fn check_source(source: &Source) -> Vec<Finding> {
    let at_home = source.path.starts_with(HOME);
    let mut literals = Literals { at_home, found: Vec::new() };
    literals.visit_file(&source.syntax);
    let begins = |text: &str| source.path == DIALECT && text.starts_with("BEGIN ");
    let findings = literals.found.into_iter().filter(|(_, text)| !begins(text)).map(|(line, text)| {
        let beginning: String = text.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
        let what = match at_home {
            true => format!("\"{beginning} …\" is SQL outside of `statements!` and `fragments!`"),
            false => format!("\"{beginning} …\" is SQL outside of the store"),
        };
        Finding::new(&source.path, line, what)
    });
    findings.collect()
}

/// Finds the text literals that are SQL, not looking into the lists where they belong.
struct Literals {
    at_home: bool,
    found: Vec<(usize, String)>,
}

impl Literals {
    fn look_at(&mut self, literal: &syn::LitStr) {
        let text = literal.value();
        if is_sql(&text, self.at_home) {
            self.found.push((literal.span().start().line, text));
        }
    }

    fn look_into(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.look_into(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(literal) = syn::Lit::new(literal) {
                        self.look_at(&literal);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !house::is_for_tests(house::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_attribute(&mut self, _documentation_and_lints: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.look_at(literal);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let name =
            invocation.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        // What a macro of the store's is defined as reaches a database only from where it is invoked.
        let belongs = LISTS.contains(&name.as_str()) || name == "macro_rules";
        if !(self.at_home && belongs) {
            self.look_into(invocation.tokens.clone());
        }
    }
}

/// Is this text SQL, or a part of some? Outside of the store only capitals count, so that English may say
/// "select … from".
fn is_sql(text: &str, in_any_case: bool) -> bool {
    let upper = text.to_uppercase();
    let text = if in_any_case { upper.as_str() } else { text };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["BEGIN" | "COMMIT" | "ROLLBACK"] => true,
        ["BEGIN", "IMMEDIATE" | "EXCLUSIVE" | "ISOLATION", ..] => true,
        ["SELECT", ..] if words.len() > 1 => words.contains(&"FROM") || words.len() < 4,
        ["INSERT", "INTO" | "OR", ..] | ["DELETE", "FROM", ..] => true,
        ["UPDATE", _, "SET", ..] => true,
        ["WITH", .., "AS", _] | ["WITH", _, "AS", ..] => true,
        ["CREATE" | "DROP" | "ALTER", "TABLE" | "INDEX" | "UNIQUE" | "VIEW" | "TRIGGER" | "DATABASE", ..] => {
            true
        }
        ["LOCK", "TABLE", ..] | ["ORDER" | "GROUP", "BY", ..] => true,
        ["PRAGMA" | "LISTEN" | "NOTIFY" | "TRUNCATE" | "VACUUM" | "SAVEPOINT" | "WHERE", _, ..] => {
            !in_any_case_english(&words)
        }
        ["JOIN", _, .., "ON", _] | ["LEFT" | "INNER", "JOIN", ..] => true,
        ["AND" | "OR", rest @ ..] => rest.iter().any(|word| word.contains('$') || *word == "="),
        _ => false,
    }
}

/// "Where the log is" against "WHERE position > $1": statements compare or name a thing, sentences go on.
fn in_any_case_english(words: &[&str]) -> bool {
    words.len() > 2
        && !words.iter().any(|word| word.contains(['$', '=', '<', '>', '(']))
        && words[0] == "WHERE"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::Role;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let source = Source {
            path: path.to_owned(),
            package: "store".to_owned(),
            role: Role::Production,
            text: text.to_owned(),
            syntax: syn::parse_file(text).unwrap(),
        };
        check_source(&source).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn sql_is_known_and_english_is_not() {
        for sql in [
            "SELECT id FROM keys WHERE id = $1",
            "SELECT 1",
            "INSERT INTO keys (id) VALUES ($1)",
            "UPDATE keys SET name = $1",
            "DELETE FROM keys",
            "WITH due AS (SELECT 1) SELECT * FROM due",
            " AND name = $2",
            "ORDER BY id",
            "WHERE id = $1",
            "BEGIN IMMEDIATE",
            "PRAGMA journal_mode",
        ] {
            assert!(is_sql(sql, false), "{sql}");
            assert!(is_sql(&sql.to_lowercase(), true), "{sql}");
        }
        for english in
            ["select a key from the list", "DELETE /v1/keys", "WITH care", "Where it is", "and so on"]
        {
            assert!(!is_sql(english, false), "{english}");
        }
        assert!(!is_sql("where the log is", true));
    }

    #[test]
    fn only_the_stores_lists_may_hold_sql() {
        let listed = "statements! { READ = \"SELECT id FROM keys\"; }\nconst X: &str = \"SELECT 1\";";
        assert_eq!(found("crates/store/src/keys.rs", listed), [2]);
        let defined = "macro_rules! columns { () => { \"SELECT id FROM keys\" }; }";
        assert_eq!(found("crates/store/src/keys.rs", defined), [0; 0]);
        assert_eq!(found("crates/service/src/keys.rs", defined), [1]);
        assert_eq!(found("crates/service/src/keys.rs", listed), [1, 2]);
        let in_macro = "fn a() {\n    let x = format!(\"DELETE FROM {}\", 1);\n}";
        assert_eq!(found("crates/store/src/keys.rs", in_macro), [2]);
        let in_tests = "#[cfg(test)]\nmod tests {\n    const X: &str = \"SELECT 1\";\n}";
        assert_eq!(found("crates/service/src/keys.rs", in_tests), [0; 0]);
    }
}
