//! What people read on a terminal: control characters of other people's texts are stripped, columns line
//! up, and a reader that hangs up is no error.

use std::io::{self, Write as _};

/// Prints a text to the standard output.
pub(crate) fn print(text: &str) {
    // A reader such as `head` may have hung up: there is nobody left to tell.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a text to the standard output, then an end of line.
pub(crate) fn print_line(text: &str) {
    print(&format!("{text}\n"));
}

/// Prints a message for people to the error output.
pub(crate) fn print_error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The text without characters that would move a cursor, colour a line or turn the reading direction.
pub(crate) fn plain(text: &str) -> String {
    let fits = |c: &char| !c.is_control() && !is_direction(*c);
    text.chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }).filter(fits).collect()
}

const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Rows under titles, in columns as wide as they need.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(|title| title.to_uppercase()).collect()] }
    }

    /// Adds a row; its texts are made plain.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| plain(cell.as_ref())).collect());
    }

    pub(crate) fn render(&self) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_moves_the_cursor() {
        let mut table = Table::new(&["id", "name"]);
        table.row(["api_1", "Orders\u{1b}[2J\u{202e}x"]);
        table.row(["api_12345", "Übung\n2"]);
        assert_eq!(table.render(), "ID         NAME\napi_1      Orders[2Jx\napi_12345  Übung 2\n");
    }
}
