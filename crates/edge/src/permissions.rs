//! The permissions that a door is told to ask for: a list with commas, without any memory of its own.

/// So many can be asked for in one call.
const MAX: usize = 32;

/// The words in their order.
#[derive(Debug, Default)]
pub(crate) struct Permissions<'a> {
    words: [&'a str; MAX],
    count: usize,
}

impl<'a> Permissions<'a> {
    /// `None` for more than can be asked for.
    pub(crate) fn parse(list: &'a str) -> Option<Self> {
        let mut asked = Self::default();
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            *asked.words.get_mut(asked.count)? = word;
            asked.count += 1;
        }
        Some(asked)
    }

    pub(crate) fn as_slice(&self) -> &[&'a str] {
        &self.words[..self.count]
    }
}
