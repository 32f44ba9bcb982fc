//! Whole tables at once, for a verifier that starts: statements without parameters that have one column, which holds a
//! row or many. PostgreSQL sends them as a binary copy, for half of what its rows would cost on both sides.

use futures::TryStreamExt as _;
use sqlx::{Row as _, SqlSafeStr as _};

use crate::connection::{Arm, Connection};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::Statement;

/// What a value of these statements holds.
pub(crate) trait Bulk: Sized {
    /// The table's name, for errors.
    const TABLE: &'static str;

    /// Reads all rows of the value and hands them to `take`; false if it is of no known form.
    fn each(value: &[u8], take: &mut impl FnMut(Self)) -> bool;
}

impl Reader {
    /// Hands each row to `take` as it arrives.
    pub(crate) async fn each<T: Bulk>(
        &mut self,
        statement: Statement,
        mut take: impl FnMut(T) + Send,
    ) -> Result<(), StoreError> {
        self.flush().await?;
        let mut is_known = true;
        // What comes behind a corrupt value is read all the same: a copy that is left half read would leave its session
        // in the middle of an answer.
        self.connection
            .each_value(statement, |value| is_known = is_known && T::each(value, &mut take))
            .await?;
        if is_known { Ok(()) } else { Err(StoreError::corrupt(T::TABLE, "a row is of an unknown form")) }
    }
}

impl Connection {
    /// Each value that there is.
    async fn each_value(
        &mut self,
        statement: Statement,
        mut take: impl FnMut(&[u8]) + Send,
    ) -> Result<(), StoreError> {
        match self.arm() {
            Arm::Sqlite(tx) => {
                let mut rows = sqlx::query(statement.sql.into_sql_str()).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    row.try_get_unchecked::<Option<&[u8]>, _>(0)?.map(&mut take);
                }
            }
            Arm::Postgres(tx) => {
                let copy = format!("COPY ({}) TO STDOUT (FORMAT BINARY)", statement.sql);
                let mut parts = tx.copy_out_raw(&copy).await?;
                let mut values = Copied::default();
                let mut is_known = true;
                while let Some(part) = parts.try_next().await? {
                    is_known = is_known && values.read(&part, &mut take).is_some();
                }
                if !is_known || !values.is_whole() {
                    return Err(StoreError::Database("a copy arrived in an unknown form".to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// The values of a binary copy of one column, in parts that may end anywhere (PostgreSQL, "COPY", binary format).
#[derive(Default)]
struct Copied {
    /// The beginning of what has not arrived wholly.
    rest: Vec<u8>,
    stage: Stage,
}

#[derive(Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Header,
    Rows,
    End,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Where a number of columns stands that is none.
const TRAILER: i16 = -1;
/// The length of what is missing.
const NULL: i32 = -1;

/// What stands at the beginning of some bytes.
enum Step<'b> {
    /// More has to arrive first.
    Short,
    Value(Option<&'b [u8]>, &'b [u8]),
    Begun(&'b [u8]),
    Ended,
}

impl Copied {
    /// `None`: it is not what a copy of one column is.
    fn read(&mut self, part: &[u8], take: &mut impl FnMut(&[u8])) -> Option<()> {
        let mut joined = std::mem::take(&mut self.rest);
        let mut bytes = if joined.is_empty() {
            part
        } else {
            joined.extend_from_slice(part);
            &joined
        };
        loop {
            match self.step(bytes)? {
                Step::Short => break,
                Step::Begun(rest) => {
                    self.stage = Stage::Rows;
                    bytes = rest;
                }
                Step::Value(value, rest) => {
                    value.map(&mut *take);
                    bytes = rest;
                }
                Step::Ended => {
                    self.stage = Stage::End;
                    return Some(());
                }
            }
        }
        self.rest = bytes.to_vec();
        Some(())
    }

    fn is_whole(&self) -> bool {
        self.stage == Stage::End
    }

    fn step<'b>(&self, bytes: &'b [u8]) -> Option<Step<'b>> {
        match self.stage {
            Stage::Header => header(bytes),
            Stage::Rows => row(bytes),
            Stage::End => bytes.is_empty().then_some(Step::Short),
        }
    }
}

/// The signature, the flags and an extension of the length that it says.
fn header(bytes: &[u8]) -> Option<Step<'_>> {
    let Some((signature, rest)) = bytes.split_at_checked(SIGNATURE.len()) else { return Some(Step::Short) };
    if signature != SIGNATURE {
        return None;
    }
    let Some((_, rest)) = rest.split_first_chunk::<4>() else { return Some(Step::Short) };
    let Some((length, rest)) = rest.split_first_chunk() else { return Some(Step::Short) };
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    Some(rest.get(length..).map_or(Step::Short, Step::Begun))
}

/// One column, or the trailer.
fn row(bytes: &[u8]) -> Option<Step<'_>> {
    let Some((columns, rest)) = bytes.split_first_chunk() else { return Some(Step::Short) };
    match i16::from_be_bytes(*columns) {
        TRAILER => return Some(Step::Ended),
        1 => {}
        _ => return None,
    }
    let Some((length, rest)) = rest.split_first_chunk() else { return Some(Step::Short) };
    let length = match i32::from_be_bytes(*length) {
        NULL => return Some(Step::Value(None, rest)),
        length => usize::try_from(length).ok()?,
    };
    let value = rest.split_at_checked(length);
    Some(value.map_or(Step::Short, |(value, rest)| Step::Value(Some(value), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(values: &[Option<&[u8]>]) -> Vec<u8> {
        // With an extension of three bytes, as a later server may send one.
        let mut bytes = [SIGNATURE, &[0; 4], &3_i32.to_be_bytes(), b"ext"].concat();
        for value in values {
            bytes.extend(1_i16.to_be_bytes());
            let length = value.map_or(NULL, |value| i32::try_from(value.len()).expect("short"));
            bytes.extend(length.to_be_bytes());
            bytes.extend(value.unwrap_or_default());
        }
        bytes.extend(TRAILER.to_be_bytes());
        bytes
    }

    fn read(parts: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
        let (mut copied, mut values) = (Copied::default(), Vec::new());
        for part in parts {
            copied.read(part, &mut |value: &[u8]| values.push(value.to_vec()))?;
        }
        copied.is_whole().then_some(values)
    }

    #[test]
    fn a_copy_is_read_wherever_its_parts_end() {
        let bytes = copy(&[Some(b"one"), None, Some(b""), Some(&[7; 300])]);
        let expected = vec![b"one".to_vec(), Vec::new(), vec![7; 300]];
        assert_eq!(read(&[&bytes]), Some(expected.clone()));
        for at in 0..bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]]), Some(expected.clone()), "{at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), Some(expected));
    }

    #[test]
    fn what_is_no_copy_of_one_column_is_refused() {
        let bytes = copy(&[Some(b"one")]);
        assert_eq!(read(&[&bytes[..bytes.len() - 1]]), None, "its end is missing");
        assert_eq!(read(&[&bytes, b"more"]), None);
        let row = SIGNATURE.len() + 4 + 4 + 3;
        for at in [0, row] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x40;
            assert_eq!(read(&[&wrong]), None, "{at}");
        }
    }
}
