//! Frames: a length, a version, a kind, the request's id, a body. A length over the cap or a version that
//! is not ours closes the reader: what follows cannot be told apart from noise.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::codec::Writer;

/// The version of every frame and message.
pub(crate) const VERSION: u8 = 1;
/// The longest frame, its length field left out.
pub(crate) const LONGEST: usize = 1 << 20;
/// Version, kind and request id.
const HEAD: usize = 1 + 1 + 8;

/// One message of either side, its body still bytes.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    /// Which request this is, or answers. Zero in what the keeper says unasked.
    pub(crate) request: u64,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why no more frames can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes is not one of ours")]
    Length(usize),
    #[error("a frame of version {0}, and this program knows version 1")]
    Version(u8),
    #[error("the body is too long for a frame")]
    TooLong,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes one frame in one piece.
pub(crate) fn write(to: &mut impl Write, kind: u8, request: u64, body: &[u8]) -> Result<(), FrameError> {
    let length = HEAD + body.len();
    if length > LONGEST {
        return Err(FrameError::TooLong);
    }
    let mut whole = Writer::default();
    whole.count(length);
    whole.u8(VERSION);
    whole.u8(kind);
    whole.u64(request);
    whole.raw(body);
    to.write_all(&whole.into_bytes())?;
    Ok(to.flush()?)
}

/// Reads one frame; `None` if the other side closed between two.
pub(crate) fn read(from: &mut impl Read) -> Result<Option<Frame>, FrameError> {
    let mut length = [0; 4];
    if !first_byte(from, &mut length)? {
        return Ok(None);
    }
    from.read_exact(&mut length[1..])?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(HEAD..=LONGEST).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let mut head = [0; HEAD];
    from.read_exact(&mut head)?;
    let [version, kind, request @ ..] = head;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let mut body = Zeroizing::new(vec![0; length - HEAD]);
    from.read_exact(&mut body)?;
    Ok(Some(Frame { kind, request: u64::from_be_bytes(request), body }))
}

fn first_byte(from: &mut impl Read, into: &mut [u8; 4]) -> io::Result<bool> {
    loop {
        match from.read(&mut into[..1]) {
            Ok(count) => return Ok(count == 1),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 3, 42, body).expect("written");
        bytes
    }

    #[test]
    fn a_frame_reads_back() {
        let bytes = framed(b"body");
        let mut source = bytes.as_slice();
        let frame = read(&mut source).expect("readable").expect("a frame");
        assert_eq!((frame.kind, frame.request, frame.body.as_slice()), (3, 42, b"body".as_slice()));
        assert!(read(&mut source).expect("readable").is_none(), "closed between two frames");
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error_and_no_frame() {
        let bytes = framed(b"body");
        for cut in 1..bytes.len() {
            assert!(matches!(read(&mut &bytes[..cut]), Err(FrameError::Io(_))), "cut at {cut}");
        }
    }

    #[test]
    fn an_unknown_version_and_a_wrong_length_stop_the_reader() {
        let mut bytes = framed(b"");
        bytes[4] = 2;
        assert!(matches!(read(&mut bytes.as_slice()), Err(FrameError::Version(2))));
        for length in [0_u32, 9, 1 << 20 | 1, u32::MAX] {
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            assert!(matches!(read(&mut bytes.as_slice()), Err(FrameError::Length(_))), "{length}");
        }
        assert!(matches!(write(&mut Vec::new(), 1, 1, &vec![0; LONGEST]), Err(FrameError::TooLong)));
    }
}
