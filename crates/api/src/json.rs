//! Reading JSON as strictly as surface.md says ("Errors"). First the text becomes a tree, or is refused
//! whole: not UTF-8, a lone surrogate, a member named twice, too deep. Then the tree becomes a type, or
//! every value that doesn't fit is named by its pointer.

mod fit;
mod tree;
mod typed;

pub(crate) use fit::read;
pub(crate) use tree::{Node, parse};
