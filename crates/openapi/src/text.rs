//! Strangers' texts as they may be shown: bounded, and without characters that act on a terminal or turn the
//! direction of what follows. They stay text: whoever shows them must not take them for markup.

/// The text without control and direction characters, cut after `most` characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    // A text that is mostly hidden is not read to its end for the little that is shown of it.
    let looked_at = most.saturating_mul(4);
    let goes_on = text.chars().nth(looked_at).is_some();
    let mut kept = text.chars().take(looked_at).filter(|character| !is_hidden(*character));
    let mut shown: String = kept.by_ref().take(most).collect();
    if kept.next().is_some() || (goes_on && shown.chars().count() == most) {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Whether the text has none of them, line ends included.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| is_hidden(character) || character == '\n')
}

/// Control characters but line ends, marks and overrides of direction, and what is drawn as nothing.
fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_reader_is_left_out_and_long_texts_end() {
        assert_eq!(shown("a\u{202e}b\u{1b}[31mc\r\nd\u{0}", 100), "ab[31mc\nd");
        assert_eq!(shown("<b>&amp;</b>", 100), "<b>&amp;</b>", "markup is text, and stays so");
        assert_eq!(shown("abcdef", 6), "abcdef");
        assert_eq!(shown("abcdefg", 6), "abcde…");
        assert!(is_plain("/a/{b}") && !is_plain("/a\u{200f}") && !is_plain("/a\n"));
    }
}
