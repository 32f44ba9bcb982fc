//! What a connection in HTTP/2 is open for. Its server ends only a peer that is gone; one that answers pings
//! could ask nothing, or take nothing of its answers, for ever. HTTP/1 has deadlines of its own.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::serve::Limits;

/// As much of an answer as is given at once, one frame of HTTP/2. What is given counts as taken when more is
/// asked for.
const PIECE: usize = 16 << 10;

/// The open requests of one connection, and whom they wait for.
#[derive(Debug)]
pub(crate) struct Traffic(Mutex<State>);

#[derive(Debug)]
struct State {
    open: usize,
    /// Those of them that wait for us: for an answer, or for more of it. The others wait for the peer.
    ours: usize,
    /// When the peer last asked or took something.
    moved: Instant,
    /// HTTP/1 is spoken.
    excused: bool,
}

impl Traffic {
    pub(crate) fn begin() -> Arc<Self> {
        let state = State { open: 0, ours: 0, moved: Instant::now(), excused: false };
        Arc::new(Self(Mutex::new(state)))
    }

    /// A request has come. None: this connection needs no watching.
    pub(crate) fn request(self: &Arc<Self>, version: Version) -> Option<Exchange> {
        let mut state = self.0.lock();
        if version < Version::HTTP_2 {
            state.excused = true;
            return None;
        }
        state.open += 1;
        state.ours += 1;
        state.moved = Instant::now();
        Some(Exchange { traffic: Arc::clone(self), ours: true })
    }

    /// Waits until the peer, for whom alone the connection waits, has done nothing for too long from now on.
    pub(crate) async fn stalls(&self, limits: Limits) {
        let began = Instant::now();
        loop {
            let Some(deadline) = self.deadline(began, limits) else { return pending().await };
            let now = Instant::now();
            if deadline <= now {
                return;
            }
            // Whatever changes while this sleeps has its own whole time after it.
            sleep_until(deadline.min(now + limits.header_timeout)).await;
        }
    }

    /// As things stand. None: there is none.
    fn deadline(&self, began: Instant, limits: Limits) -> Option<Instant> {
        let state = self.0.lock();
        let limit = if state.open == 0 { limits.header_timeout } else { limits.write_timeout };
        let since = if state.ours == 0 { state.moved.max(began) } else { Instant::now() };
        (!state.excused).then(|| since + limit)
    }
}

/// One request of a connection, until its answer was given or dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    traffic: Arc<Traffic>,
    ours: bool,
}

impl Exchange {
    /// It is our turn, or that of the peer, who has just taken something.
    fn turn(&mut self, ours: bool) {
        if ours && self.ours {
            return;
        }
        let mut state = self.traffic.0.lock();
        match (self.ours, ours) {
            (true, false) => state.ours -= 1,
            (false, true) => state.ours += 1,
            (true, true) | (false, false) => {}
        }
        state.moved = Instant::now();
        self.ours = ours;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.turn(false);
        self.traffic.0.lock().open -= 1;
    }
}

/// An answer of which it is known whether its peer takes it.
#[derive(Debug)]
pub(crate) struct Taken<B> {
    inner: B,
    /// Of a piece of `inner` that was too large to give at once.
    rest: Bytes,
    exchange: Option<Exchange>,
}

impl<B> Taken<B> {
    /// From here on it waits for the peer, until it asks `inner` for what is not there yet.
    pub(crate) fn new(inner: B, mut exchange: Option<Exchange>) -> Self {
        if let Some(exchange) = &mut exchange {
            exchange.turn(false);
        }
        Self { inner, rest: Bytes::new(), exchange }
    }
}

impl<B: Body + Unpin> Body for Taken<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let polled = Pin::new(&mut this.inner).poll_frame(context);
            if let Some(exchange) = &mut this.exchange {
                exchange.turn(polled.is_pending());
            }
            match ready!(polled).map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame.map_data(|_| Bytes::new())))),
                Some(Ok(Ok(mut data))) => this.rest = data.copy_to_bytes(data.remaining()),
            }
        } else if let Some(exchange) = &mut this.exchange {
            exchange.turn(false);
        }
        let most = if this.exchange.is_some() { PIECE } else { usize::MAX };
        let piece = this.rest.split_to(most.min(this.rest.len()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.inner.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
