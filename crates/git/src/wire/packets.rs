//! Git's packets: four hexadecimal digits of length, themselves included, and what is in it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest that Git sends.
const LONGEST: usize = 65_520;

/// Why a conversation can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The other side has ended, or the pipe to it.
    #[error("the answer ends in the middle")]
    Ended,
    /// What it says is not Git's.
    #[error("{0}")]
    Nonsense(&'static str),
    /// It said in Git's own form why it does not go on.
    #[error("an error")]
    Told(Vec<u8>),
    /// More than the limits allow.
    #[error("{0}")]
    TooMuch(&'static str),
    /// Who takes what the host sends has ended: its words say why.
    #[error("the pack was not taken")]
    Refused,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

/// The packets of a stream.
#[derive(Debug)]
pub(crate) struct Packets<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Packets<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// What is in the next packet; `None` for the one that ends a list.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, Broken> {
        let mut digits = [0; 4];
        self.from.read_exact(&mut digits).await?;
        // Rust would take a sign as well.
        let text = std::str::from_utf8(&digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit));
        let length = text.and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = length.ok_or(Broken::Nonsense("what came is no packet of Git"))?;
        match length {
            0 => return Ok(None),
            4..=LONGEST => self.buffer.resize(length - 4, 0),
            _ => return Err(Broken::Nonsense("a packet has a length that Git does not know")),
        }
        self.from.read_exact(&mut self.buffer).await?;
        match self.buffer.strip_prefix(b"ERR ") {
            Some(words) => Err(Broken::Told(words.to_vec())),
            None => Ok(Some(&self.buffer)),
        }
    }

    /// Reads to the end, for nobody.
    pub(crate) async fn drain(&mut self) {
        // It ends with an error just as well.
        let _ = tokio::io::copy(&mut self.from, &mut tokio::io::sink()).await;
    }
}

/// A packet with this in it.
pub(super) fn packet(content: &[u8]) -> Vec<u8> {
    debug_assert!(content.len() <= LONGEST - 4, "packets of ours are short");
    let mut packet = format!("{:04x}", content.len() + 4).into_bytes();
    packet.extend_from_slice(content);
    packet
}

/// The packet that ends a list.
pub(super) const FLUSH: &[u8] = b"0000";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_are_read_one_by_one() {
        let mut packets = Packets::new(&b"0009hello00000004000aERR no"[..]);
        assert_eq!(packets.next().await.expect("a packet"), Some(&b"hello"[..]));
        assert_eq!(packets.next().await.expect("the end of a list"), None);
        assert_eq!(packets.next().await.expect("a packet"), Some(&b""[..]));
        assert!(matches!(packets.next().await, Err(Broken::Told(words)) if words == b"no"));
        assert!(matches!(packets.next().await, Err(Broken::Ended)));
        assert_eq!(packet(b"hello"), b"0009hello");
    }

    #[tokio::test]
    async fn nonsense_is_no_packet() {
        for sent in ["HTTP/1.1 400", "+00a", "0001", "0002", "0003", "fff1", "ffff", " 004"] {
            let mut packets = Packets::new(sent.as_bytes());
            assert!(matches!(packets.next().await, Err(Broken::Nonsense(_))), "{sent}");
        }
        for sent in ["", "00", "0009hell"] {
            let mut packets = Packets::new(sent.as_bytes());
            assert!(matches!(packets.next().await, Err(Broken::Ended)), "{sent}");
        }
    }
}
