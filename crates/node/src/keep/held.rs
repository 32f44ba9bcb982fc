//! The lines of the log that a new base may not have yet, in memory: without a gap, and no more than fit. A base that
//! lacks lines which were let go is of no use; the next one has them.

use std::collections::VecDeque;

use claviger_domain::event::Position;
use claviger_store::data_node::LogLine;

/// How many bytes are held. Twice what makes a journal long, so that a base can be read while more is said.
const MOST: usize = 64 << 20;

/// The newest lines, each the one after the one before.
#[derive(Debug, Default)]
pub(super) struct Held {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Held {
    pub(super) fn extend(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            if self.lines.back().is_some_and(|last| last.position.0 + 1 != line.position.0) {
                self.clear();
            }
            self.bytes += size(&line);
            self.lines.push_back(line);
        }
        while self.bytes > MOST {
            self.let_go_of_first();
        }
    }

    /// Lets go of the lines up to `position`, and hands out those after it. None: some of these were let go before.
    pub(super) fn after(&mut self, position: Position) -> Option<&[LogLine]> {
        while self.lines.front().is_some_and(|line| line.position <= position) {
            self.let_go_of_first();
        }
        let follows = self.lines.front().is_none_or(|first| first.position.0 == position.0 + 1);
        follows.then(|| &*self.lines.make_contiguous())
    }

    fn let_go_of_first(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= size(&line);
        }
    }

    fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }
}

fn size(line: &LogLine) -> usize {
    let texts = line.kind.len() + line.data.as_ref().map_or(0, String::len);
    size_of::<LogLine>() + texts + line.private.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use claviger_domain::time::Timestamp;

    use super::*;

    fn line(position: i64, bytes: usize) -> LogLine {
        LogLine {
            position: Position(position),
            version: 1,
            at: Timestamp::from_micros(0),
            kind: "member.created".into(),
            data: None,
            private: Some(vec![0; bytes]),
            hash: [0; 32],
        }
    }

    fn after(held: &mut Held, position: i64) -> Option<Vec<i64>> {
        held.after(Position(position)).map(|lines| lines.iter().map(|line| line.position.0).collect())
    }

    #[test]
    fn no_more_is_held_than_fits_and_never_with_a_gap() {
        let mut held = Held::default();
        assert_eq!(after(&mut held, 7), Some(vec![]));
        held.extend(vec![line(8, 1), line(9, 1), line(10, 1)]);
        assert_eq!(after(&mut held, 6), None, "7 is not there");
        assert_eq!(after(&mut held, 8), Some(vec![9, 10]));
        // What comes after a gap is held alone.
        held.extend(vec![line(20, 1), line(21, 1)]);
        assert_eq!(after(&mut held, 9), None);
        assert_eq!(after(&mut held, 19), Some(vec![20, 21]));
        // Half of what fits is pushed out by the other half, and nothing more.
        held.extend(vec![line(22, MOST / 2), line(23, MOST / 4)]);
        assert_eq!(after(&mut held, 19), Some(vec![20, 21, 22, 23]));
        held.extend(vec![line(24, MOST / 2)]);
        assert_eq!(after(&mut held, 19), None);
        assert_eq!(after(&mut held, 22), Some(vec![23, 24]));
        assert!(held.bytes <= MOST, "{}", held.bytes);
        assert_eq!(after(&mut held, 24), Some(vec![]));
        assert_eq!(held.bytes, 0);
    }
}
