//! A growing list that many read while one changes it: a change copies one chunk and the list of
//! chunks, and whoever holds the old list keeps it as it was.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

const CHUNK: usize = 256;

/// A chunk's values stand where its pointer points to, so that a call follows one pointer less.
pub(super) struct Chunked<T> {
    chunks: Arc<Vec<Arc<SmallVec<[T; CHUNK]>>>>,
}

impl<T: Clone> Chunked<T> {
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(value),
            _ => chunks.push(Arc::new(smallvec![value])),
        }
    }

    pub(super) fn set(&mut self, at: usize, value: T) {
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(at / CHUNK).map(Arc::make_mut);
        if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(at % CHUNK)) {
            *slot = value;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Arc::default() }
    }
}

impl<T> Clone for Chunked<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_old_list_keeps_it() {
        let mut list = Chunked::default();
        (0..1_000).for_each(|n| list.push(n));
        let old = list.clone();
        list.set(700, 0);
        list.push(1_000);
        assert_eq!((old.get(700), old.len(), old.get(1_000)), (Some(&700), 1_000, None));
        assert_eq!((list.get(700), list.len(), list.get(1_000)), (Some(&0), 1_001, Some(&1_000)));
        assert_eq!(list.iter().count(), 1_001);
    }
}
