//! Statements are named constants, each registered, so that a test can prepare every one of them on both
//! databases. Dynamic queries are assembled from registered fragments alone (`list.rs`).

use sqlx::{SqlSafeStr as _, SqlStr};

/// One whole statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that prepares it says which one failed"))]
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Statement {
    pub(crate) fn text(self) -> SqlStr {
        self.sql.into_sql_str()
    }
}

/// A part of a `WHERE` clause. Its parameters are numbered from `$1`; the query that takes it up renumbers
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment(pub(crate) &'static str);

/// The text with something else in the place of each parameter, made from its number.
pub(crate) fn renumbered(sql: &str, parameter: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(sql.len() + sql.len() / 2);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = after[..digits].parse().unwrap_or_default();
        text.push_str(before);
        text.push_str(&parameter(number));
        rest = &after[digits..];
    }
    text.push_str(rest);
    text
}

/// Declares the statements of a module, and registers them as its `STATEMENTS`.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: $crate::statements::Statement =
            $crate::statements::Statement { name: stringify!($name), sql: $sql };)*

        #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that prepares all statements"))]
        pub(crate) const STATEMENTS: &[$crate::statements::Statement] = &[$($name),*];
    };
}

/// Declares the fragments of a module's list, and registers them as its `FRAGMENTS`.
macro_rules! fragments {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: $crate::statements::Fragment =
            $crate::statements::Fragment($sql);)*

        #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that prepares all fragments"))]
        pub(crate) const FRAGMENTS: &[$crate::statements::Fragment] = &[$($name),*];
    };
}

pub(crate) use {fragments, statements};
