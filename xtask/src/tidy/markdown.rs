//! As much of Markdown as the checks need: tables between markers, and words in backticks.

/// The rows of the table between `<!-- tidy: name -->` and `<!-- /tidy -->`, without its heading: for each,
/// its line's number and its cells.
pub(super) fn table(text: &str, name: &str) -> Option<Vec<(usize, Vec<String>)>> {
    let opening = format!("<!-- tidy: {name} -->");
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != opening);
    lines.next()?;
    let rows = lines
        .take_while(|(_, line)| line.trim() != "<!-- /tidy -->")
        .filter(|(_, line)| line.starts_with('|'));
    Some(rows.skip(2).map(|(index, line)| (index + 1, cells(line))).collect())
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// What stands in backticks, with its line's number; blocks of code are passed over.
pub(super) fn code_spans(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.map(|span| (index + 1, span.to_owned())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_between_markers_is_read_without_its_heading() {
        let text = "| a |\n<!-- tidy: x -->\n\n| h | i |\n| --- | --- |\n| `one` | two, three |\n<!-- /tidy -->\n| b |";
        assert_eq!(table(text, "x"), Some(vec![(6, vec!["`one`".to_owned(), "two, three".to_owned()])]));
        assert_eq!(table(text, "y"), None);
    }

    #[test]
    fn code_spans_are_found_outside_of_blocks() {
        let text = "see `a/b` and `c`\n```\n`no`\n```\n`d`";
        let spans = code_spans(text);
        assert_eq!(spans, [(1, "a/b".to_owned()), (1, "c".to_owned()), (5, "d".to_owned())]);
    }
}
