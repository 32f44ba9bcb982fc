//! The HTTP server under every face and door: it bounds what a peer may cost before anything is asked. Those
//! who say nothing, too slowly or too much are cut off here; open calls end when the server is told to stop.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::TryFutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::framing::{Followed, Framing, Reader};
use crate::patient::Patient;
use crate::tls::Certificate;
use crate::traffic::{Taken, Traffic};

/// A pause after the listener failed: out of descriptors, most likely, and some will be given back.
const BREATH: Duration = Duration::from_millis(50);
/// How long a peer may leave a ping of HTTP/2 unanswered.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many may be open. Further ones wait until one ends.
    pub connections: usize,
    /// Of all headers of a request together, in bytes. Beyond it the connection is cut, so a face that
    /// would rather explain itself has a ceiling of its own below.
    pub header_bytes: u32,
    /// How long a connection may take to begin, and then the headers of each request, the first and those
    /// after a pause. In HTTP/2, how long it may be open without a request, and after how long a silence its
    /// peer is sent a ping.
    pub header_timeout: Duration,
    /// How long a peer may take nothing of its answer; in HTTP/2, of any of its answers while it asks nothing
    /// either.
    pub write_timeout: Duration,
    /// How long open calls may take to end when the server stops.
    pub grace: Duration,
}

impl Limits {
    /// For an address that the world may reach.
    pub const DEFAULT: Self = Self {
        connections: 10_000,
        header_bytes: 64 << 10,
        header_timeout: Duration::from_secs(30),
        write_timeout: Duration::from_secs(30),
        grace: Duration::from_secs(10),
    };
}

/// A connection, as who answers what comes on it may know it.
#[derive(Debug)]
pub struct Connection {
    /// Who opened it.
    pub peer: SocketAddr,
    pub tls: bool,
    pub(crate) hold: Hold,
}

/// What whoever answers may hold of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// Ends it at once, whatever is open on it.
    pub(crate) end: CancellationToken,
    /// Its place is free when nobody holds it any more, also after it has changed to another protocol.
    #[expect(dead_code, reason = "it is held, and nothing is asked of it")]
    place: Arc<Option<OwnedSemaphorePermit>>,
}

impl Hold {
    /// Of a connection that has no listener, and so no place at one.
    pub(crate) fn alone() -> Self {
        Self { end: CancellationToken::new(), place: Arc::default() }
    }
}

/// Answers on HTTP/1 and HTTP/2 until `stop` is done, then lets open calls end.
pub async fn serve<A, F, B>(listener: TcpListener, limits: Limits, answer: A, stop: impl Future<Output = ()>)
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let answer = move |request, connection: &Connection| answer(request, connection.peer);
    serve_calls(listener, limits, None, answer, stop).await;
}

/// The same for who must know more of the connection, perhaps with TLS under the certificate as it is when one
/// begins.
pub async fn serve_calls<A, F, B>(
    listener: TcpListener,
    limits: Limits,
    certificate: Option<&Certificate>,
    answer: A,
    stop: impl Future<Output = ()>,
) where
    A: Fn(Request<Incoming>, &Connection) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let tls = certificate.map(Certificate::acceptor);
    let server = Server { builder: builder(limits), limits, tls, open: Open::default() };
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut full = false;
    let mut stop = std::pin::pin!(stop);
    loop {
        let was_full = std::mem::replace(&mut full, places.available_permits() == 0);
        if full && !was_full {
            tracing::warn!(limits.connections, "as many connections are open as may be: others wait");
        }
        let (place, accepted) = tokio::select! {
            next = next(&listener, &places) => next,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => server.connect(stream, peer, answer.clone(), place),
            Err(error) => pause(&error).await,
        }
    }
    drop(listener);
    server.open.end(limits.grace).await;
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(TcpStream, SocketAddr)>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
}

/// The connections that are open, and how to end them.
#[derive(Clone, Default)]
struct Open {
    tasks: TaskTracker,
    /// Open calls may end.
    told: CancellationToken,
    /// Nothing may go on.
    cut: CancellationToken,
}

impl Open {
    async fn end(self, grace: Duration) {
        self.told.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            let (connections, seconds) = (self.tasks.len(), grace.as_secs());
            tracing::warn!(connections, seconds, "connections are cut that did not end in time");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

struct Server {
    builder: Builder<TokioExecutor>,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    open: Open,
}

impl Server {
    fn connect<A, F, B>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        answer: A,
        place: Option<OwnedSemaphorePermit>,
    ) where
        A: Fn(Request<Incoming>, &Connection) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        // Answers are small and whole: waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may wait for more to send");
        }
        // Whoever answers may end this connection, and the server all of them.
        let end = self.open.cut.child_token();
        let place = Arc::new(place);
        let hold = Hold { end: end.clone(), place: Arc::clone(&place) };
        let connection = Connection { peer, tls: self.tls.is_some(), hold };
        let answer = move |request| answer(request, &connection);
        let (builder, limits, tls) = (self.builder.clone(), self.limits, self.tls.clone());
        let told = self.open.told.clone();
        let serving = async move {
            let line = Line { builder: &builder, limits, tls: tls.as_ref(), told: &told };
            line.serve(stream, answer).await
        };
        self.open.tasks.spawn(async move {
            if let Some(Err(error)) = end.run_until_cancelled(serving).await {
                tracing::debug!(%peer, %error, "a connection broke");
            }
            drop(place);
        });
    }
}

/// What one connection is served with.
struct Line<'a> {
    builder: &'a Builder<TokioExecutor>,
    limits: Limits,
    tls: Option<&'a TlsAcceptor>,
    told: &'a CancellationToken,
}

impl Line<'_> {
    /// Serves a connection to its end, once TLS is agreed on where it is spoken.
    async fn serve<S, A, F, B>(&self, stream: S, answer: A) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        let stream = Patient::new(stream, self.limits.write_timeout);
        match self.tls {
            None => self.answer_all(stream, answer).await,
            Some(tls) => {
                let agreed = tokio::time::timeout(self.limits.header_timeout, tls.accept(stream)).await;
                self.answer_all(agreed??, answer).await
            }
        }
    }

    /// Answers what comes on a connection to its end. It is told to end with the server, or when its peer
    /// stalls; a peer that stalls on is cut.
    async fn answer_all<S, A, F, B>(&self, stream: S, answer: A) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        let (traffic, framing) = (Traffic::begin(), Arc::new(Framing::default()));
        let (watched, reader) = (Arc::clone(&traffic), Reader::new(Arc::clone(&framing)));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let exchange = traffic.request(request.version());
            let (framing, has_two_lengths) = (Arc::clone(&framing), framing.mark(&mut request));
            answer(request).map_ok(move |mut answer| {
                // The server ends a connection by itself where it saw both lengths; not where only we lost our way.
                if has_two_lengths {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                    framing.end();
                }
                answer.map(|body| Taken::new(body, exchange))
            })
        });
        let stream = TokioIo::new(Followed::new(stream, reader));
        let mut connection = pin!(self.builder.serve_connection_with_upgrades(stream, service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.told.cancelled() => {}
            () = watched.stalls(self.limits) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = watched.stalls(self.limits) => Err("the peer stalled".into()),
        }
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(256);
    builder
}

async fn pause(error: &io::Error) {
    let of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !of_one_connection {
        tracing::error!(%error, "the listener can't accept");
        tokio::time::sleep(BREATH).await;
    }
}

#[cfg(test)]
mod tests;
