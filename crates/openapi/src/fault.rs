//! What is wrong with a document, and where.

use std::fmt::Write as _;

/// How many faults one answer names.
pub(crate) const MAX_FAULTS: usize = 20;
/// No longer does a pointer get: the names in it are the stranger's.
const MAX_POINTER: usize = 500;

/// One fault: where it stands (RFC 6901; empty: the whole document), and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub pointer: String,
    pub detail: String,
}

impl Fault {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: bounded(pointer.into()), detail: detail.into() }
    }

    /// Of the document as a whole.
    pub(crate) fn whole(detail: impl Into<String>) -> Self {
        Self::new("", detail)
    }
}

/// A pointer that is too long ends earlier, at a name's end.
fn bounded(mut pointer: String) -> String {
    if pointer.len() > MAX_POINTER {
        let fits = pointer.floor_char_boundary(MAX_POINTER);
        let end = pointer[..fits].rfind('/').unwrap_or(0);
        pointer.truncate(end);
    }
    pointer
}

/// A step down into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
}

/// The way down as a JSON pointer.
pub(crate) fn pointer(steps: &[Step]) -> String {
    let mut pointer = String::new();
    for step in steps {
        pointer.push('/');
        match step {
            Step::Member(name) => pointer.push_str(&escaped(name)),
            // Writing to a String can't fail.
            Step::Item(at) => drop(write!(pointer, "{at}")),
        }
    }
    pointer
}

/// A member's name as a part of a pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped_and_bounded() {
        let steps = [Step::Member("paths".into()), Step::Member("/a~b".into()), Step::Item(3)];
        assert_eq!(pointer(&steps), "/paths/~1a~0b/3");
        let long = format!("/paths/{}", "é".repeat(MAX_POINTER));
        assert_eq!(Fault::new(long, "x").pointer, "/paths");
    }
}
