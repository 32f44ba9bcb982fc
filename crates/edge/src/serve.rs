//! The HTTP server under every face and door: it bounds what a peer may cost before anything is asked. Those
//! who say nothing, too slowly or too much are cut off here; open calls end when the server is told to stop.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::patient::Patient;
use crate::tls::Certificate;

/// A pause after the listener failed: out of descriptors, most likely, and some will be given back.
const BREATH: Duration = Duration::from_millis(50);

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many may be open. Further ones wait until one ends.
    pub connections: usize,
    /// Of all headers of a request together, in bytes. Beyond it the connection is cut, so a face that
    /// would rather explain itself has a ceiling of its own below.
    pub header_bytes: u32,
    /// How long a connection may take to begin, and then the headers of each request, the first and those
    /// after a pause. In HTTP/2, how long a peer may leave a ping unanswered.
    pub header_timeout: Duration,
    /// How long a peer may take nothing of its answer.
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

/// Answers on HTTP/1 and HTTP/2 until `stop` is done, then lets open calls end.
pub async fn serve<A, F, B>(listener: TcpListener, limits: Limits, answer: A, stop: impl Future<Output = ()>)
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    run(listener, limits, None, answer, stop).await;
}

/// The same with TLS, under the certificate as it is when a connection begins.
pub async fn serve_tls<A, F, B>(
    listener: TcpListener,
    limits: Limits,
    certificate: &Certificate,
    answer: A,
    stop: impl Future<Output = ()>,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    run(listener, limits, Some(certificate.acceptor()), answer, stop).await;
}

async fn run<A, F, B>(
    listener: TcpListener,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    answer: A,
    stop: impl Future<Output = ()>,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let server = Server { builder: builder(limits), graceful: GracefulShutdown::new(), limits, tls };
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
    if tokio::time::timeout(limits.grace, server.graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = limits.grace.as_secs(), "connections were cut that did not end in time");
    }
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

struct Server {
    builder: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    limits: Limits,
    tls: Option<TlsAcceptor>,
}

impl Server {
    fn connect<A, F, B>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        answer: A,
        place: Option<OwnedSemaphorePermit>,
    ) where
        A: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        // Answers are small and whole: waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may wait for more to send");
        }
        let service = service_fn(move |request| answer(request, peer));
        let (builder, limits, watcher) = (self.builder.clone(), self.limits, self.graceful.watcher());
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let served = match tls {
                None => answer_all(stream, &builder, limits, watcher, service).await,
                Some(tls) => match tokio::time::timeout(limits.header_timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => answer_all(stream, &builder, limits, watcher, service).await,
                    Ok(Err(error)) => Err(error.into()),
                    Err(elapsed) => Err(elapsed.into()),
                },
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a connection broke");
            }
            drop(place);
        });
    }
}

/// Answers what comes on one connection, to its end.
async fn answer_all<S, T, B>(
    stream: S,
    builder: &Builder<TokioExecutor>,
    limits: Limits,
    watcher: Watcher,
    service: T,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    T::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let stream = Patient::new(stream, limits.header_timeout, limits.write_timeout);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    watcher.watch(connection).await
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
