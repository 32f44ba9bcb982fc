//! A connection whose peer has only so much time: to begin, and to take what it is sent. What lies between,
//! the heads and bodies of requests, has deadlines of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a connection in HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that breaks where its peer takes too long.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    /// Until it is known which version of HTTP is spoken. The server reads so far without a deadline.
    beginning: Option<Beginning>,
    /// Since the peer takes nothing more.
    stalled: Option<Pin<Box<Sleep>>>,
    write_timeout: Duration,
}

#[derive(Debug)]
struct Beginning {
    /// How much of the preface has come.
    seen: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    /// Waits so long for a beginning, and so long each time the peer takes nothing.
    pub(crate) fn new(stream: S, begin_timeout: Duration, write_timeout: Duration) -> Self {
        let beginning = Beginning { seen: 0, deadline: Box::pin(sleep(begin_timeout)) };
        Self { stream, beginning: Some(beginning), stalled: None, write_timeout }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer took nothing of its answer")))
    }
}

impl Beginning {
    /// Whether these further bytes tell the version: the whole preface, or what is not a part of it.
    fn is_over_with(&mut self, bytes: &[u8]) -> bool {
        let expected = PREFACE.get(self.seen..).unwrap_or_default();
        self.seen += bytes.len();
        bytes.is_empty() || !expected.starts_with(bytes) || self.seen == PREFACE.len()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(beginning) = &mut self.beginning else { return polled };
        if polled.is_pending() {
            ready!(beginning.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not begin")));
        }
        if beginning.is_over_with(&buffer.filled()[before..]) {
            self.beginning = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_known_after_the_preface_or_what_differs_from_it() {
        for (pieces, expected) in [
            (&[&b"GET"[..]][..], &[true][..]),
            (&[b"P", b"OST"], &[false, true]),
            (&[b"PRI * HT", b"TP/2.0\r\n\r\n", b"SM\r\n\r\n"], &[false, false, true]),
            (&[PREFACE], &[true]),
            (&[b"PRI * HTTP/1"], &[true]),
            (&[b""], &[true]),
        ] {
            let deadline = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let _context = deadline.as_ref().expect("a runtime").enter();
            let mut beginning = Beginning { seen: 0, deadline: Box::pin(sleep(Duration::ZERO)) };
            let told: Vec<bool> = pieces.iter().map(|piece| beginning.is_over_with(piece)).collect();
            assert_eq!(told, expected, "{pieces:?}");
        }
    }
}
