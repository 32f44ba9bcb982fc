//! The server under all faces, over real sockets: whom it cuts off, whom it lets wait, and how it ends. No
//! test measures time: deadlines are short where one must pass, and long where none may. What needs both is
//! tested beside the server, in a time of its own.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claviger_edge::{Limits, serve};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Passes while a test waits.
const SHORT: Duration = Duration::from_millis(200);
/// Passes while a test waits, and must not between two steps of it.
const SECONDS: Duration = Duration::from_secs(3);
/// Passes only where something is broken.
const LONG: Duration = Duration::from_secs(20);
/// More than fits into the buffers of two sockets.
const LARGE: usize = 64 << 20;
const PATIENT: Limits = Limits {
    connections: 100,
    header_bytes: 16 << 10,
    header_timeout: LONG,
    write_timeout: LONG,
    grace: LONG,
};

struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let answer = move |request: Request<Incoming>, _: SocketAddr| {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(request.uri().path())
        };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, limits, answer, async {
            let _ = stopped.await;
        }));
        Self { address, asked, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// A further connection is served: a place was given back, if there was but one.
    async fn demand_service(&self) {
        let mut fresh = self.connect().await;
        assert!(ask(&mut fresh, "/").await.starts_with("HTTP/1.1 200"));
    }
}

fn answer(path: &str) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let length = if path == "/large" { LARGE } else { 2 };
    ready(Ok(Response::new(Full::new(vec![b'x'; length].into()))))
}

/// Sends one request on a connection kept open, and reads the beginning of its answer.
async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(LONG, stream.read(&mut answer)).await.expect("in time").expect("read");
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// All that comes until the server cuts the connection.
async fn until_cut(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("cut in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut() {
    let server = Server::start(Limits { connections: 1, write_timeout: SHORT, ..PATIENT }).await;
    let mut stuck = server.connect().await;
    let request = "GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    stuck.write_all(request.as_bytes()).await.expect("written");
    // The only place is given back although this connection stays open here.
    server.demand_service().await;
    drop(stuck);
}

#[tokio::test]
async fn as_many_connections_as_may_be_and_others_wait() {
    let server = Server::start(Limits { connections: 1, ..PATIENT }).await;
    let mut first = server.connect().await;
    assert!(ask(&mut first, "/").await.starts_with("HTTP/1.1 200"));
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    for _ in 0..100 {
        assert!(ask(&mut first, "/").await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 101, "the second had to wait");
    drop(first);
    let mut answer = [0; 12];
    tokio::time::timeout(LONG, second.read_exact(&mut answer)).await.expect("in time").expect("read");
    assert_eq!((&answer, server.asked.load(Ordering::SeqCst)), (b"HTTP/1.1 200", 102));
}

#[tokio::test]
async fn endless_headers_are_cut_by_their_size() {
    let server = Server::start(PATIENT).await;
    let mut stream = server.connect().await;
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}", "x".repeat(1 << 20));
    // A server that has heard enough closes before all is sent.
    let _ = stream.write_all(endless.as_bytes()).await;
    let said = until_cut(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_those_who_only_listen() {
    let server = Server::start(PATIENT).await;
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    assert!(ask(&mut idle, "/").await.starts_with("HTTP/1.1 200"));
    server.stop.send(()).expect("told");
    tokio::time::timeout(LONG / 2, server.serving).await.expect("in time").expect("ended");
    assert_eq!(until_cut(&mut silent).await, "");
    assert_eq!(until_cut(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_session_that_answers_pings_and_asks_nothing_gives_its_place_back() {
    let server = Server::start(Limits { connections: 1, header_timeout: SECONDS, ..PATIENT }).await;
    let (mut session, connection) =
        h2::client::handshake(server.connect().await).await.expect("a session in HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a/").body(()).expect("a request");
    let (answer, _) = session.send_request(request, true).expect("sent");
    assert_eq!(answer.await.expect("answered").status(), 200);
    let _ = tokio::time::timeout(LONG, connection).await.expect("ended in time");
    server.demand_service().await;
    drop(session);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_cuts_what_does_not_end_in_time() {
    let server = Server::start(Limits { grace: SHORT, ..PATIENT }).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
    let mut first = [0; 12];
    stuck.read_exact(&mut first).await.expect("read");
    server.stop.send(()).expect("told");
    tokio::time::timeout(LONG, server.serving).await.expect("in time").expect("ended");
    let rest = until_cut(&mut stuck).await;
    assert!(rest.len() < LARGE, "{} bytes were sent after the end", rest.len());
}
