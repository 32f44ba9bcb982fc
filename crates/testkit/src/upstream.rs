//! A company's API as tests need it: answers every request with what it got, and remembers it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// One request as it arrived; also the body of the answer, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// In the order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An HTTP server on loopback that answers 200 with the request itself. Ends when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    memory: Arc<Memory>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it knows of the requests so far.
#[derive(Debug, Default)]
struct Memory {
    count: AtomicU64,
    /// None: it only counts.
    seen: Option<Mutex<Vec<Seen>>>,
}

impl Upstream {
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(Memory { seen: Some(Mutex::default()), ..Memory::default() })
    }

    /// One that counts its requests and remembers none: for more of them than there is room for.
    #[track_caller]
    pub fn start_counting() -> Self {
        Self::start_with(Memory::default())
    }

    #[track_caller]
    fn start_with(memory: Memory) -> Self {
        let memory = Arc::new(memory);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("the port's number");
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn({
            let memory = Arc::clone(&memory);
            move || serve(listener, memory, ended)
        });
        Self { address, memory, end: Some(end), thread: Some(thread) }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, of one that remembers.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.memory.seen.as_ref().expect("an upstream that does not only count");
        seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests there were so far.
    pub fn count(&self) -> u64 {
        self.memory.count.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has shown in the answer that a test did not get.
            let _ = thread.join();
        }
    }
}

fn serve(listener: std::net::TcpListener, memory: Arc<Memory>, ended: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        listener.set_nonblocking(true).expect("a listener that does not block");
        let listener = TcpListener::from_std(listener).expect("a listener");
        tokio::select! {
            () = accept(listener, memory) => {}
            // Nothing is ever sent: the sender goes with its `Upstream`.
            _ = ended => {}
        }
    });
}

async fn accept(listener: TcpListener, memory: Arc<Memory>) {
    while let Ok((stream, _)) = listener.accept().await {
        let memory = Arc::clone(&memory);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&memory)));
            // A caller that hangs up is no concern of an upstream.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    memory: Arc<Memory>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|collected| collected.to_bytes()).unwrap_or_default();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let request = Seen {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let text = serde_json::to_vec(&request).unwrap_or_default();
    memory.count.fetch_add(1, Ordering::SeqCst);
    if let Some(seen) = &memory.seen {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}
