//! Who is cut and who may stay, over connections in memory and in a time that passes only when nobody has
//! anything left to do: no machine is too slow for these.

mod secured;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const LIMITS: Limits = Limits::DEFAULT;
/// More than any window or buffer between the two takes up.
const LARGE: usize = 8 << 20;
/// More than one of them takes up, and less than two.
const SOME: usize = WINDOW + (WINDOW >> 1);
/// What waits on a connection in memory, and in TLS over it.
const WINDOW: usize = 64 << 10;

/// What is answered: pieces, and after each of them a silence.
struct Pieces(VecDeque<Bytes>, Pin<Box<tokio::time::Sleep>>, Duration);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::ready!(self.1.as_mut().poll(context));
        let silence = self.2;
        self.1.as_mut().reset(Instant::now() + silence);
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// `/large` and `/some` at once, `/quiet` with an hour between two bytes, anything else shortly.
async fn answer(request: Request<Incoming>) -> Result<Response<Pieces>, Infallible> {
    let (pieces, silence) = match request.uri().path() {
        "/large" => (vec![Bytes::from(vec![b'x'; LARGE])], Duration::ZERO),
        "/some" => (vec![Bytes::from(vec![b'x'; SOME])], Duration::ZERO),
        "/quiet" => (vec![Bytes::from_static(b"x"); 2], MINUTE * 60),
        _ => (vec![Bytes::from_static(b"ok")], Duration::ZERO),
    };
    Ok(Response::new(Pieces(pieces.into(), Box::pin(sleep(silence)), silence)))
}

/// A connection that is served, until it is not.
fn connect() -> (DuplexStream, JoinHandle<Duration>) {
    connect_by(None)
}

/// One with TLS.
async fn connect_secured() -> (TlsStream<DuplexStream>, JoinHandle<Duration>) {
    let (stream, serving) = connect_by(Some(secured::acceptor()));
    (secured::connect(stream).await, serving)
}

fn connect_by(tls: Option<TlsAcceptor>) -> (DuplexStream, JoinHandle<Duration>) {
    let (ours, theirs) = duplex(WINDOW);
    let serving = tokio::spawn(async move {
        let (began, told) = (Instant::now(), CancellationToken::new());
        let line = Line { builder: &builder(LIMITS), limits: LIMITS, tls: tls.as_ref(), told: &told };
        let _ = line.serve(theirs, answer).await;
        began.elapsed()
    });
    (ours, serving)
}

type Session = h2::client::SendRequest<Bytes>;

/// A session that answers pings and does nothing else by itself.
async fn session(windows: u32) -> (Session, JoinHandle<Duration>) {
    let (stream, serving) = connect();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(windows);
    let (session, connection) = builder.handshake(stream).await.expect("a session");
    tokio::spawn(connection);
    (session, serving)
}

async fn ask(session: &mut Session, path: &str) -> h2::RecvStream {
    let uri = format!("http://a{path}");
    let request = Request::builder().uri(uri).body(()).expect("a request");
    *session = session.clone().ready().await.expect("open");
    session.send_request(request, true).expect("sent").0.await.expect("an answer").into_body()
}

async fn cut_within(serving: JoinHandle<Duration>, most: Duration) -> Duration {
    timeout(MINUTE * 60, serving).await.map_or_else(
        |_| panic!("it is served for ever"),
        |lasted| {
            let lasted = lasted.expect("no panic");
            assert!(lasted <= most + SECOND, "{lasted:?}");
            lasted
        },
    )
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_or_no_whole_beginning_is_cut() {
    for beginning in ["", "P", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET / HT", "GET / HTTP/1.1\r\n"]
    {
        let (mut stream, serving) = connect();
        stream.write_all(beginning.as_bytes()).await.expect("written");
        let lasted = cut_within(serving, LIMITS.header_timeout).await;
        assert!(lasted >= LIMITS.header_timeout, "{beginning:?}: {lasted:?}");
        let mut said = String::new();
        stream.read_to_string(&mut said).await.expect("read");
        assert!(!said.contains(" 200 "), "{beginning:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_have_one_deadline_however_steadily_they_come() {
    let mut unended = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS, and of HEADERS on stream 1 the frame's head alone: 16,000 bytes are to come.
    unended.extend([0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x3e, 0x80, 1, 4, 0, 0, 0, 1]);
    for beginning in [&b"GET / HTTP/1.1\r\nx-endless: "[..], b"PRI * HTTP/2.0\r\n", &unended] {
        let (stream, serving) = connect();
        let (mut reader, mut writer) = tokio::io::split(stream);
        writer.write_all(beginning).await.expect("written");
        tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
        tokio::spawn(async move {
            while writer.write_all(b"x").await.is_ok() {
                sleep(SECOND).await;
            }
        });
        cut_within(serving, LIMITS.header_timeout * 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_a_connection_and_asks_nothing_is_cut() {
    let (mut stream, serving) = connect();
    for _ in 0..10 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("written");
        let mut answer = [0; 4_096];
        let read = stream.read(&mut answer).await.expect("read");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{:?}", &answer[..read]);
        sleep(LIMITS.header_timeout - SECOND).await;
    }
    cut_within(serving, LIMITS.header_timeout * 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_asks_nothing_is_ended_however_well_it_answers_pings() {
    let (session, serving) = session(1 << 20).await;
    cut_within(serving, LIMITS.header_timeout).await;
    drop(session);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_asks_now_and_then_lives_until_it_asks_no_more() {
    let (mut session, serving) = session(1 << 20).await;
    for _ in 0..10 {
        let mut body = ask(&mut session, "/").await;
        assert_eq!(body.data().await.expect("data").expect("read"), "ok");
        sleep(LIMITS.header_timeout - SECOND).await;
    }
    let lasted = cut_within(serving, LIMITS.header_timeout * 10).await;
    assert!(lasted > (LIMITS.header_timeout - SECOND) * 10, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_nothing_of_its_answers_is_cut() {
    for (windows, path) in [(0, "/"), (1, "/"), (0, "/large"), (1 << 16, "/large")] {
        let (mut session, serving) = session(windows).await;
        let untaken = ask(&mut session, path).await;
        cut_within(serving, LIMITS.write_timeout * 2).await;
        drop(untaken);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_is_sent_whole() {
    let (mut session, _serving) = session(256 << 10).await;
    let mut body = ask(&mut session, "/large").await;
    let mut taken = 0;
    while let Some(data) = body.data().await {
        let length = data.expect("read").len();
        body.flow_control().release_capacity(length).expect("released");
        taken += length;
        sleep(SECOND * length as u32 / 1_024).await;
    }
    assert_eq!(taken, LARGE);

    let (stream, _serving) = connect();
    take_slowly(stream).await;
    let (stream, _serving) = connect_secured().await;
    take_slowly(stream).await;
}

/// Takes something shortly before each deadline.
async fn take_slowly(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let request = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("written");
    let (mut buffer, mut taken) = (vec![0; 64 << 10], 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        taken += read;
        sleep(LIMITS.write_timeout - SECOND).await;
    }
    assert!(taken > LARGE, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_what_tls_keeps_for_it_is_cut() {
    let pipelined = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(10_000);
    let last = "GET /some HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned();
    for asked in [pipelined, last] {
        let (stream, serving) = connect_secured().await;
        let (reader, mut writer) = tokio::io::split(stream);
        let writing = tokio::spawn(async move { writer.write_all(asked.as_bytes()).await });
        cut_within(serving, LIMITS.write_timeout * 2).await;
        drop((reader, writing));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_quiet_at_its_source_lives() {
    let (mut session, serving) = session(1 << 20).await;
    let mut body = ask(&mut session, "/quiet").await;
    let mut taken = Vec::new();
    while let Some(data) = body.data().await {
        taken.extend(data.expect("read"));
        assert!(!serving.is_finished());
    }
    assert_eq!(taken, b"xx");
}
