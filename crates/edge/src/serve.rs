//! A listener for forward-auth alone, on HTTP/1 and HTTP/2. Its connections and headers are bounded in
//! number, size and time.

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::forward_auth::{FORWARD_AUTH_PATH, ForwardAuth};

/// What a listener allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// Of all headers of a request together, in bytes.
    pub header_bytes: u32,
    /// How long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long open calls may take to end at shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves until `shutdown` is done, then lets open calls end.
pub async fn serve_forward_auth(
    listener: TcpListener,
    door: Arc<ForwardAuth>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let builder = builder(limits);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (place, accepted) = tokio::select! {
            next = next(&listener, &places) => next,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(&builder, stream, peer, Arc::clone(&door));
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, %peer, "a connection to forward-auth broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: wait for some to be given back.
                tracing::warn!(%error, "a connection to forward-auth could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections to forward-auth were still open at shutdown");
    }
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, std::io::Result<(TcpStream, SocketAddr)>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    (place, listener.accept().await)
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
        .max_concurrent_streams(256)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

fn connection(
    builder: &Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    door: Arc<ForwardAuth>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error: std::fmt::Display> + Send + 'static {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "answers may wait for more to send");
    }
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let answer = if request.uri().path() == FORWARD_AUTH_PATH {
            door.answer(&request, peer.ip())
        } else {
            door.elsewhere(&request)
        };
        ready(Ok::<_, Infallible>(answer))
    });
    builder.serve_connection(TokioIo::new(stream), service).into_owned()
}
