//! Bodies on their way through: not one byte is kept, either direction has its limits of patience, and both end
//! when their call is cut.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use claviger_verify::{Index, Places};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::headers::clean_trailers;
use super::open::{Held, OpenCall};

type BoxError = Box<dyn Error + Send + Sync>;

/// Where a body goes.
#[derive(Debug)]
pub(super) enum Direction {
    /// With the index, which knows the credentials' headers: they are no trailers either.
    ToUpstream(Arc<Index>),
    ToCaller,
}

/// What the gateway answers with.
#[derive(Debug)]
pub enum GatewayBody {
    /// Its own words.
    Whole(Full<Bytes>),
    /// An upstream's.
    Passing(Passing),
}

/// A body that is passed on.
pub struct Passing {
    inner: Arc<Held>,
    call: Arc<OpenCall>,
    patience: Duration,
    direction: Direction,
    /// Made when the body has to wait for the first time.
    waiting: Option<Box<Waiting>>,
    /// Whether it is this body that is waited for.
    pends: Arc<AtomicBool>,
}

struct Waiting {
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    idle: Pin<Box<Sleep>>,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the call was cut: it would be refused now")]
    Cut,
    #[error("nothing came for too long")]
    Idle,
}

impl Passing {
    pub(super) fn new(
        inner: Incoming,
        call: Arc<OpenCall>,
        patience: Duration,
        direction: Direction,
    ) -> Self {
        let pends = Arc::new(AtomicBool::new(false));
        let inner = call.hold(inner);
        Self { inner, call, patience, direction, waiting: None, pends }
    }

    /// Tells, while the body is elsewhere, whether it is this one that is waited for.
    pub(super) fn pends(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.pends)
    }

    fn clean(&self, trailers: &mut HeaderMap) {
        let door = match &self.direction {
            Direction::ToUpstream(index) => index.door(self.call.api()),
            Direction::ToCaller => None,
        };
        let places = door.as_ref().map_or(Places::STANDARD, |door| door.places());
        clean_trailers(trailers, |name| {
            let name = name.replace('_', "-");
            [places.key, places.secret].contains(&name.as_str())
        });
    }

    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Ended> {
        let Self { call, patience, waiting, .. } = self;
        let waiting = waiting.get_or_insert_with(|| {
            let cut = Box::pin(call.cut().clone().cancelled_owned());
            Box::new(Waiting { cut, idle: Box::pin(sleep_until(call.idle_at(*patience))) })
        });
        if waiting.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ended::Cut);
        }
        loop {
            ready!(waiting.idle.as_mut().poll(context));
            // The other direction may have moved meanwhile.
            let idle_at = call.idle_at(*patience);
            if idle_at <= Instant::now() {
                return Poll::Ready(Ended::Idle);
            }
            waiting.idle.as_mut().reset(idle_at);
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if this.call.cut().is_cancelled() {
            return Poll::Ready(Some(Err(Ended::Cut.into())));
        }
        let polled = match this.inner.lock().as_mut() {
            Some(inner) => Pin::new(inner).poll_frame(context),
            None => return Poll::Ready(Some(Err(Ended::Cut.into()))),
        };
        this.pends.store(polled.is_pending(), Ordering::Relaxed);
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match this.direction {
                    Direction::ToUpstream(_) => this.call.receive(bytes),
                    Direction::ToCaller => this.call.send(bytes),
                }
                if let Some(trailers) = frame.trailers_mut() {
                    this.clean(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(other) => Poll::Ready(other.map(|result| result.map_err(Into::into))),
            Poll::Pending => this.wait(context).map(|ended| Some(Err(ended.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.lock().as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.lock().as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Passing").field(&self.call).finish()
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Passing(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passing(body) => body.size_hint(),
        }
    }
}

/// A call's body on its way to whichever upstream takes it. One that could not be reached gives it back untouched.
#[derive(Debug, Clone)]
pub(super) struct Outgoing(Arc<Mutex<Passing>>);

impl Outgoing {
    pub(super) fn new(body: Passing) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
