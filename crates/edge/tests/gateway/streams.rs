//! What flows: large bodies, both directions at once, events, trailers, other protocols.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::scene::{AnyBody, Behind, PATIENCE, Scene, Setup, routing, text, whole};

const PIECE: usize = 64 << 10;

/// A body that is written while it is sent.
pub(crate) fn channel() -> (mpsc::Sender<Frame<Bytes>>, AnyBody) {
    let (sender, mut receiver) = mpsc::channel::<Frame<Bytes>>(4);
    let frames = futures_of(move |context| receiver.poll_recv(context));
    (sender, StreamBody::new(frames).boxed())
}

/// A stream of frames from what polls them.
fn futures_of(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<Frame<Bytes>>>
    + Send
    + Sync
    + Unpin
    + 'static,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync {
    let mut poll = poll;
    futures::stream::poll_fn(move |context| poll(context).map(|frame| frame.map(Ok)))
}

/// Sends back what comes, while it comes.
async fn echo(request: Request<Incoming>) -> Response<AnyBody> {
    let (sender, body) = channel();
    tokio::spawn(async move {
        let mut incoming = request.into_body();
        while let Some(Ok(frame)) = incoming.frame().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    Response::new(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_go_both_ways_at_once() {
    const PIECES: usize = (200 << 20) / PIECE;
    let behind = Behind::start(echo).await;
    let scene = Scene::new(&[&behind.url()]).await;
    for http2 in [false, true] {
        let (sender, body) = channel();
        let request = scene.request("POST", "/orders/echo", body);
        let sending = tokio::spawn(async move {
            let piece = Bytes::from(vec![7; PIECE]);
            for _ in 0..PIECES {
                sender.send(Frame::data(piece.clone())).await.expect("it is taken");
            }
        });
        let response = if http2 { scene.send_h2(request).await } else { scene.send(request).await };
        assert_eq!(response.status(), 200);
        let (mut received, mut body) = (0, response.into_body());
        while let Some(frame) = body.frame().await {
            let data = frame.expect("no end before the end").into_data().expect("data");
            assert!(data.iter().all(|byte| *byte == 7));
            received += data.len();
        }
        sending.await.expect("all sent");
        assert_eq!(received, PIECES * PIECE, "HTTP/2: {http2}");
    }
}

#[tokio::test]
async fn events_arrive_one_by_one_while_the_answer_lasts() {
    let (events, mut to_send) = mpsc::channel::<&'static str>(1);
    let (sender, body) = channel();
    tokio::spawn(async move {
        while let Some(event) = to_send.recv().await {
            let _ = sender.send(Frame::data(Bytes::from_static(event.as_bytes()))).await;
        }
    });
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let behind = Behind::start(move |_| {
        let body = body.lock().expect("nobody panicked").take().expect("one call");
        async move {
            Response::builder().header("content-type", "text/event-stream").body(body).expect("an answer")
        }
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let response = scene.get("/orders/events").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for event in ["data: one\n\n", "data: two\n\n"] {
        events.send(event).await.expect("it is taken");
        let frame = tokio::time::timeout(Duration::from_secs(1), body.frame()).await.expect("at once");
        assert_eq!(frame.expect("a frame").expect("data").into_data().expect("data"), event);
    }
}

#[tokio::test]
async fn trailers_go_both_ways_and_forged_ones_do_not() {
    let (told, mut trailers) = mpsc::channel(1);
    let behind = Behind::start(move |request: Request<Incoming>| {
        let told = told.clone();
        async move {
            let collected = request.into_body().collect().await.expect("a body");
            told.send(collected.trailers().cloned().unwrap_or_default()).await.expect("asked for");
            let (sender, body) = channel();
            tokio::spawn(async move {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                trailers.insert("x-claviger-code", HeaderValue::from_static("valid"));
                let _ = sender.send(Frame::data(Bytes::from_static(b"pong"))).await;
                let _ = sender.send(Frame::trailers(trailers)).await;
            });
            Response::builder().header("content-type", "application/grpc").body(body).expect("an answer")
        }
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let (sender, body) = channel();
    let mut request = scene.request("POST", "/orders/orders.v1.Orders/Ping", body);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    tokio::spawn(async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("42"));
        trailers.insert("x-claviger-application", HeaderValue::from_static("forged"));
        trailers.insert("x_api_key", HeaderValue::from_static("clv_key_x"));
        sender.send(Frame::data(Bytes::from_static(b"ping"))).await.expect("it is taken");
        sender.send(Frame::trailers(trailers)).await.expect("it is taken");
    });
    let response = scene.send_h2(request).await;
    assert_eq!(response.status(), 200);
    let answered = response.into_body().collect().await.expect("a body");
    let names = |trailers: &HeaderMap| trailers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(answered.trailers().expect("trailers")), ["grpc-status"]);
    assert_eq!(answered.to_bytes(), "pong");
    assert_eq!(names(&trailers.recv().await.expect("told")), ["x-checksum"]);
    let seen = behind.last();
    assert_eq!(
        (seen.version, &seen.headers["te"]),
        (http::Version::HTTP_2, &HeaderValue::from_static("trailers"))
    );
}

/// An upstream that changes to a protocol in which it says everything again.
pub(crate) async fn upgraded(mut request: Request<Incoming>) -> Response<AnyBody> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("an upgrade"));
        let mut buffer = [0; 1_024];
        while let Ok(read) = stream.read(&mut buffer).await {
            if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let response = Response::builder().status(101).header("connection", "Upgrade");
    response.header("upgrade", "websocket").body(whole("")).expect("an answer")
}

pub(crate) async fn websocket(scene: &Scene) -> TokioIo<hyper::upgrade::Upgraded> {
    let mut request = scene.request("GET", "/orders/socket", Empty::new());
    request.headers_mut().insert("connection", HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
    let response = scene.send(request).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["upgrade"]),
        (101, &HeaderValue::from_static("websocket"))
    );
    TokioIo::new(hyper::upgrade::on(response).await.expect("an upgrade"))
}

#[tokio::test]
async fn an_upgraded_connection_carries_both_ways_until_one_side_ends() {
    let behind = Behind::start(upgraded).await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut socket = websocket(&scene).await;
    for word in [&b"hello"[..], b"again"] {
        socket.write_all(word).await.expect("it is taken");
        let mut echoed = [0; 5];
        socket.read_exact(&mut echoed).await.expect("it is said again");
        assert_eq!(echoed, word);
    }
    socket.shutdown().await.expect("the caller ends");
    assert_eq!(socket.read(&mut [0; 1]).await.expect("the other side too"), 0);
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place_until_it_ends() {
    let behind = Behind::start(async |request: Request<Incoming>| match request.uri().path() {
        "/socket" => upgraded(request).await,
        _ => Response::new(whole("hello")),
    })
    .await;
    let setup = Setup { connections: Some(1), ..Setup::default() };
    let scene = Scene::with(routing(&[&behind.url()]), setup).await;
    let mut socket = websocket(&scene).await;
    let mut second = TcpStream::connect(scene.address).await.expect("the gateway");
    let call = format!("GET /orders HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", scene.key);
    second.write_all(call.as_bytes()).await.expect("it is taken");
    for _ in 0..100 {
        socket.write_all(b"hello").await.expect("it is taken");
        socket.read_exact(&mut [0; 5]).await.expect("it is said again");
    }
    assert_eq!(behind.count(), 1, "the second has to wait");
    drop(socket);
    let mut answer = [0; 12];
    let answered = tokio::time::timeout(PATIENCE * 20, second.read_exact(&mut answer)).await;
    answered.expect("in time").expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn what_would_go_past_the_decision_is_not_changed_to() {
    let behind = Behind::hello().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut request = scene.request("GET", "/orders", Empty::new());
    request.headers_mut().insert("connection", HeaderValue::from_static("Upgrade, HTTP2-Settings"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("h2c"));
    request.headers_mut().insert("http2-settings", HeaderValue::from_static("AAMAAABkAAQAAP__"));
    let response = scene.send(request).await;
    assert_eq!((response.status().as_u16(), text(response).await), (200, "hello".to_owned()));
    for gone in ["upgrade", "connection", "http2-settings"] {
        assert!(!behind.last().headers.contains_key(gone), "{gone}");
    }
}
