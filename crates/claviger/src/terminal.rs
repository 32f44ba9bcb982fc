//! What people read on a terminal: control characters of other people's texts are stripped, columns line
//! up, and what could not be written is an error.

use std::io::{self, Write as _};

/// The standard output took not all of a text.
#[derive(Debug, thiserror::Error)]
#[error("the standard output can't be written: {cause}{}", .lost.map(|lost| format!("; {lost}")).unwrap_or_default())]
pub(crate) struct Unwritten {
    cause: io::Error,
    /// What is lost with the text, and how to come by it again.
    lost: Option<&'static str>,
}

impl Unwritten {
    /// Says what was lost.
    pub(crate) fn losing(self, lost: &'static str) -> Self {
        Self { lost: Some(lost), ..self }
    }

    /// A reader such as `head` hung up, and misses nothing.
    pub(crate) fn is_nobodys_loss(&self) -> bool {
        self.lost.is_none() && self.cause.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Prints a text to the standard output.
pub(crate) fn print(text: &str) -> Result<(), Unwritten> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    written.map_err(|cause| Unwritten { cause, lost: None })
}

/// Prints a text to the standard output, then an end of line.
pub(crate) fn print_line(text: &str) -> Result<(), Unwritten> {
    print(&format!("{text}\n"))
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
