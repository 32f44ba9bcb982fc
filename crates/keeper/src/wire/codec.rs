//! Fields as bytes, each with its length, in buffers that are wiped. Nothing is guessed: what is too
//! long, too short or left over is malformed.

use zeroize::Zeroizing;

/// The bytes are not what the message says they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub(crate) struct Malformed;

/// Collects fields. Growing moves the bytes to a larger buffer and wipes the smaller one.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(self.0.capacity() * 2).max(256)));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// A number of things that follow. What cannot be counted in 32 bits is over every limit anyway, and
    /// is written as the largest number, which no reader takes.
    pub(crate) fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Takes fields off the front of a message's bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn raw(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.raw(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A number of things that follow, no more than `most`.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if count > most { Err(Malformed) } else { Ok(count) }
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let length = self.count(most)?;
        self.raw(length)
    }

    pub(crate) fn text(&mut self, most: usize) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(most)?).map_err(|_| Malformed)
    }

    /// All that is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The end: nothing may be left over.
    pub(crate) const fn finish(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_back_in_their_order() {
        let mut writer = Writer::default();
        writer.u8(7);
        writer.u64(u64::MAX - 1);
        writer.text("été");
        writer.bytes(&[9; 1_000]);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.u64(), Ok(u64::MAX - 1));
        assert_eq!(reader.text(16), Ok("été"));
        assert_eq!(reader.bytes(1_000), Ok([9; 1_000].as_slice()));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn too_long_too_short_and_left_over_are_malformed() {
        let mut writer = Writer::default();
        writer.text("abcd");
        let bytes = writer.into_bytes();
        assert_eq!(Reader::new(&bytes).text(3), Err(Malformed), "longer than the limit");
        assert_eq!(Reader::new(&bytes[..7]).text(4), Err(Malformed), "cut short");
        assert_eq!(Reader::new(&[0, 0, 0, 1, 0xff]).text(4), Err(Malformed), "not UTF-8");
        assert_eq!(Reader::new(&bytes).finish(), Err(Malformed), "not read to the end");
    }
}
