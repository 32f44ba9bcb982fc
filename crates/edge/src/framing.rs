//! Notices requests of HTTP/1 that say in two ways where their body ends: `Content-Length` and `Transfer-Encoding`. One
//! who reads them otherwise than whoever stands before us sees other requests (RFC 9112, 6.1), and the server under us
//! forgets the length before anybody can see that there were two. So heads are looked at as they are read.
//!
//! Bodies are followed only as far as to know where the next head begins, by the server's own rules: whoever has us see an
//! end where it sees none has us count requests that there are not. What is odd beyond that is for the server to refuse.
//! Nothing is looked at any more then, nothing is held back or changed, and what it hands on all the same is marked.

mod followed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::Request;
use memchr::memchr;

pub(crate) use self::followed::Followed;

/// As much as is looked at of a header line. One that tells a length is shorter.
const MOST_OF_LINE: usize = 512;
/// What HTTP/2 begins with, in place of a request.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A request that can be read in two ways, or comes after what can't be followed: among its extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TwoLengths;

/// Which request of a connection is one.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    /// How many requests were handed on.
    handed_on: AtomicU64,
    /// The number of the first that has two lengths, or can't be followed to; zero as long as there is none.
    found: AtomicU64,
    /// The connection changed to another protocol.
    over: AtomicBool,
}

impl Framing {
    /// Marks the request if it is one, and says so. To be called with each, in their order.
    pub(crate) fn mark<B>(&self, request: &mut Request<B>) -> bool {
        let number = self.handed_on.fetch_add(1, Ordering::Relaxed) + 1;
        let found = self.found.load(Ordering::Relaxed);
        // Nothing is known of those behind it.
        let is_found = found != 0 && found <= number;
        if is_found {
            request.extensions_mut().insert(TwoLengths);
        }
        is_found
    }

    /// What comes from here on is no HTTP.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Reads along with the server.
#[derive(Debug)]
pub(crate) struct Reader {
    framing: Arc<Framing>,
    place: Place,
    /// How many requests have begun.
    begun: u64,
    head: Head,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A request, perhaps after empty lines.
    Between,
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// The length of a chunk so far, and whether its digits have ended.
    ChunkLength(u64, bool),
    /// So many bytes of a chunk, with the end of its line.
    Chunk(u64),
    /// Lines, and whether the present one is empty so far.
    Trailers(bool),
    /// The second half of a line's end, and what the line was.
    LineFeed(Line),
    /// Nothing that can be followed.
    Lost,
}

/// A line of a body in chunks. Only `\r\n` ends one, unlike a line of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// It told that a chunk of this length follows.
    ChunkLength(u64),
    Trailer,
    /// The empty one behind the trailers.
    Last,
}

impl Reader {
    pub(crate) fn new(framing: Arc<Framing>) -> Self {
        Self { framing, place: Place::Between, begun: 0, head: Head::default() }
    }

    /// These came next.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        if self.framing.over.load(Ordering::Relaxed) {
            self.place = Place::Lost;
        }
        while !bytes.is_empty() && self.place != Place::Lost {
            bytes = self.step(bytes);
        }
    }

    /// Reads some of them; the others are left.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match self.place {
            Place::Between => self.between(bytes),
            Place::Head => self.head(bytes),
            Place::Body(left) => self.pass(bytes, left, Place::Body, Place::Between),
            Place::Chunk(left) => self.pass(bytes, left, Place::Chunk, Place::ChunkLength(0, false)),
            Place::ChunkLength(length, ended) => self.chunk_length(bytes, length, ended),
            Place::Trailers(empty) => self.trailers(bytes, empty),
            Place::LineFeed(line) => self.line_feed(bytes, line),
            Place::Lost => &[],
        }
    }

    /// The request with this number is the first that is not to be believed.
    fn lose(&mut self, number: u64) -> &'static [u8] {
        self.framing.found.store(number, Ordering::Relaxed);
        self.place = Place::Lost;
        &[]
    }

    fn between<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else { return &[] };
        self.begun += 1;
        self.place = Place::Head;
        self.head = Head { may_be_preface: self.begun == 1, ..Head::default() };
        &bytes[at..]
    }

    fn head<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(end) = memchr(b'\n', bytes) else {
            self.head.keep(bytes);
            return &[];
        };
        if self.head.end_line(&bytes[..end]) {
            self.place = match self.head.says() {
                Says::Length(0) => Place::Between,
                Says::Length(length) => Place::Body(length),
                Says::Chunks => Place::ChunkLength(0, false),
                Says::TwoLengths | Says::NoLength => return self.lose(self.begun),
                Says::Preface => Place::Lost,
            };
        }
        &bytes[end + 1..]
    }

    fn pass<'b>(
        &mut self,
        bytes: &'b [u8],
        left: u64,
        more: impl FnOnce(u64) -> Place,
        then: Place,
    ) -> &'b [u8] {
        let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - taken as u64;
        self.place = if left == 0 { then } else { more(left) };
        &bytes[taken..]
    }

    fn chunk_length<'b>(&mut self, bytes: &'b [u8], mut length: u64, mut ended: bool) -> &'b [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            match (char::from(*byte).to_digit(16), *byte) {
                (_, b'\r') => {
                    self.place = Place::LineFeed(Line::ChunkLength(length));
                    return &bytes[at + 1..];
                }
                (_, b'\n') => return self.lose(self.begun + 1),
                (Some(digit), _) if !ended && length >> 60 == 0 => length = length << 4 | u64::from(digit),
                (Some(_), _) if !ended => return self.lose(self.begun + 1),
                // What is said of the chunk.
                _ => ended = true,
            }
        }
        self.place = Place::ChunkLength(length, ended);
        &[]
    }

    fn trailers<'b>(&mut self, bytes: &'b [u8], empty: bool) -> &'b [u8] {
        let Some(at) = memchr(b'\r', bytes) else {
            self.place = Place::Trailers(false);
            return &[];
        };
        let line = if empty && at == 0 { Line::Last } else { Line::Trailer };
        self.place = Place::LineFeed(line);
        &bytes[at + 1..]
    }

    fn line_feed<'b>(&mut self, bytes: &'b [u8], line: Line) -> &'b [u8] {
        let Some((b'\n', rest)) = bytes.split_first() else { return self.lose(self.begun + 1) };
        self.place = match line {
            Line::ChunkLength(0) | Line::Trailer => Place::Trailers(true),
            Line::ChunkLength(length) => match length.checked_add(2) {
                Some(length) => Place::Chunk(length),
                None => return self.lose(self.begun + 1),
            },
            Line::Last => Place::Between,
        };
        rest
    }
}

/// A head, as far as it came.
#[derive(Debug, Default)]
struct Head {
    /// The beginning of a line that has not ended: one byte more than is looked at, which tells that it is too long.
    line: Vec<u8>,
    /// It is the first line of a connection.
    may_be_preface: bool,
    is_preface: bool,
    has_request_line: bool,
    chunked: bool,
    length: Option<u64>,
    /// A length can't be read.
    odd: bool,
    /// A line that tells a length is longer than any of them is.
    endless: bool,
}

/// What a head says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Length(u64),
    Chunks,
    TwoLengths,
    /// A length that is none.
    NoLength,
    /// Nothing: HTTP/2 begins.
    Preface,
}

impl Head {
    /// The beginning of a line, or more of it.
    fn keep(&mut self, bytes: &[u8]) {
        let room = MOST_OF_LINE + 1 - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The rest of a line. True if it was the empty one, which ends the head.
    fn end_line(&mut self, rest: &[u8]) -> bool {
        let begun = !self.line.is_empty();
        if begun {
            self.keep(rest);
        }
        let line = std::mem::take(&mut self.line);
        let whole = if begun { &line } else { rest };
        // However the line came: its end is not looked at if it is too long.
        let too_long = whole.len() > MOST_OF_LINE;
        let whole =
            if too_long { &whole[..MOST_OF_LINE] } else { whole.strip_suffix(b"\r").unwrap_or(whole) };
        if !self.has_request_line {
            self.has_request_line = true;
            self.is_preface = self.may_be_preface && whole == PREFACE;
        } else if whole.is_empty() {
            return true;
        } else {
            self.note(whole, too_long);
        }
        false
    }

    fn note(&mut self, line: &[u8], too_long: bool) {
        // Most lines are of neither, and are passed over by their first letter.
        let Some(b'c' | b'C' | b't' | b'T') = line.first() else { return };
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let is_length = name.eq_ignore_ascii_case(b"content-length");
        let is_encoding = name.eq_ignore_ascii_case(b"transfer-encoding");
        self.endless |= too_long && (is_length || is_encoding);
        self.chunked |= is_encoding;
        if is_length {
            let value = std::str::from_utf8(value.trim_ascii()).ok();
            self.length = value.and_then(|value| value.parse().ok());
            self.odd |= self.length.is_none();
        }
    }

    fn says(&self) -> Says {
        match (self.chunked, self.length) {
            _ if self.is_preface => Says::Preface,
            _ if self.endless => Says::TwoLengths,
            (true, _) if self.odd => Says::TwoLengths,
            (true, Some(_)) => Says::TwoLengths,
            (true, None) => Says::Chunks,
            (false, _) if self.odd => Says::NoLength,
            (false, length) => Says::Length(length.unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests;
