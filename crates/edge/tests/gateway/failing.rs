//! Upstreams that are away, slow, ending early or lying: each harms one call. Those that must not be reached are
//! not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use claviger_egress::Rules;
use claviger_verify::KeyEnd;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::scene::{Behind, PATIENCE, Scene, Setup, problem, routing, text, whole};
use crate::streams::channel;

/// More than fits into the buffers of four sockets.
const LARGE: usize = 64 << 20;

/// An upstream that says these bytes to whoever comes, and ends.
async fn saying(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(bytes).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_upstream_that_is_away_or_says_nothing_good_is_502() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let away = format!("http://{}", gone.local_addr().expect("its address"));
    drop(gone);
    for upstream in [
        away,
        saying(b"").await,
        saying(b"HTTP/1.1 ").await,
        saying(b"no HTTP at all\r\n\r\n").await,
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello").await,
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello").await,
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            .await,
    ] {
        let scene = Scene::new(&[&upstream]).await;
        let answer = problem(scene.get("/orders").await).await;
        assert_eq!(answer, (502, "upstream_unreachable".to_owned()), "{upstream}");
    }
}

#[tokio::test]
async fn an_upstream_that_ends_early_or_lies_harms_one_call() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n",
    ] {
        let scene = Scene::new(&[&saying(bytes).await]).await;
        let response = scene.get("/orders").await;
        assert_eq!(response.status(), 200);
        assert!(response.into_body().collect().await.is_err(), "the caller sees that it is not whole");
        assert_eq!(problem(scene.get("/nowhere").await).await.0, 404, "the gateway goes on");
    }
    // More than it announced: the rest is no answer to anybody.
    let lying = saying(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    )
    .await;
    let scene = Scene::new(&[&lying]).await;
    for _ in 0..5 {
        assert_eq!(text(scene.get("/orders").await).await, "hello");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_504_and_a_caller_that_stops_is_408() {
    let silent = Behind::start(async |request| {
        let _ = request.into_body().collect().await;
        std::future::pending().await
    })
    .await;
    let scene = Scene::new(&[&silent.url()]).await;
    assert_eq!(problem(scene.get("/orders").await).await, (504, "timed_out".to_owned()));
    let (_sender, body) = channel();
    let stopped = scene.send(scene.request("POST", "/orders", body)).await;
    assert_eq!(problem(stopped).await, (408, "request_timed_out".to_owned()));
}

#[tokio::test]
async fn a_long_upload_is_not_taken_for_silence() {
    let counting = Behind::start(async |request| {
        let bytes = request.into_body().collect().await.expect("a body").to_bytes();
        http::Response::new(whole(bytes.len().to_string()))
    })
    .await;
    let scene = Scene::new(&[&counting.url()]).await;
    let (sender, body) = channel();
    tokio::spawn(async move {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            sender.send(Frame::data(Bytes::from_static(b"piece"))).await.expect("it is taken");
        }
    });
    assert_eq!(text(scene.send(scene.request("POST", "/orders", body)).await).await, "40");
}

#[tokio::test]
async fn an_open_answer_in_which_nothing_moves_ends() {
    let (sender, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let stalled = Behind::start(move |_| {
        let body = body.lock().expect("nobody panicked").take().expect("one call");
        async move { http::Response::new(body) }
    })
    .await;
    let scene = Scene::new(&[&stalled.url()]).await;
    let response = scene.get("/orders").await;
    let ended = tokio::time::timeout(Duration::from_secs(4), response.into_body().collect()).await;
    assert!(ended.expect("within its time").is_err());
    drop(sender);
}

/// An upstream that answers before it was sent all, reads no more of it, and never ends.
async fn hasty() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4_096]).await;
            let _ = stream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n").await;
            kept.push(stream);
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_upload_that_its_upstream_does_not_take_ends() {
    let scene = Scene::new(&[&hasty().await]).await;
    let stream = TcpStream::connect(scene.address).await.expect("the gateway");
    let (mut reader, mut writer) = stream.into_split();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Length: {LARGE}\r\n\r\n",
        scene.key
    );
    let sending = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await?;
        writer.write_all(&vec![7; LARGE]).await
    });
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(PATIENCE * 20, reader.read_to_end(&mut answer)).await;
    // A reset is an end too.
    let _ = ended.expect("the gateway ends the connection");
    assert!(answer.starts_with(b"HTTP/1.1 413"));
    assert!(sending.await.expect("no panic").is_err(), "not all of it was taken");
}

/// An upstream whose first answer lasts until its sender goes.
async fn lasting() -> (Behind, mpsc::Sender<Frame<Bytes>>) {
    let (sender, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let behind = Behind::start(move |_| {
        let first = body.lock().expect("nobody panicked").take();
        async move { http::Response::new(first.unwrap_or_else(|| whole("second"))) }
    })
    .await;
    (behind, sender)
}

#[tokio::test]
async fn as_many_calls_as_may_be_and_others_wait_for_a_while() {
    let (behind, sender) = lasting().await;
    // To wait for a place is not to wait for an upstream, however little of that may be.
    let answer_timeout = Some(PATIENCE * 2 / 5);
    let setup = Setup { calls: Some(1), answer_timeout, ..Setup::default() };
    let scene = Scene::with(routing(&[&behind.url()]), setup).await;
    let first = scene.send_h2(scene.request("GET", "/orders", whole(""))).await;
    let refused = scene.get("/orders").await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(problem(refused).await, (503, "behind".to_owned()));
    assert_eq!(behind.count(), 1, "the second had to wait");
    drop(sender);
    assert_eq!(text(first).await, "");
    assert_eq!(text(scene.get("/orders").await).await, "second");
}

/// In HTTP/2 nobody asks for more of an answer that its caller takes nothing of, and would see that it ended.
#[tokio::test]
async fn a_caller_that_takes_nothing_in_http2_gives_its_place_back_when_it_is_cut_and_when_nothing_moves() {
    for is_revoked in [true, false] {
        let (behind, sender) = lasting().await;
        let setup = Setup { calls: Some(1), ..Setup::default() };
        let scene = Scene::with(routing(&[&behind.url()]), setup).await;
        let stream = TcpStream::connect(scene.address).await.expect("the gateway");
        let mut builder = h2::client::Builder::new();
        let handshake = builder.initial_window_size(0).handshake::<_, Bytes>(stream);
        let (mut session, connection) = handshake.await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let call = Request::get("http://shop.example/orders").header("x-api-key", &scene.key);
        let (answer, _) = session.send_request(call.body(()).expect("a call"), true).expect("sent");
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        sender.send(Frame::data(Bytes::from_static(b"word"))).await.expect("it is taken");
        if is_revoked {
            scene.change(|world| world.ended = Some(KeyEnd::Revoked));
        }
        let let_go = tokio::time::timeout(PATIENCE * 20, sender.closed()).await;
        let_go.expect("its upstream is let go of");
        scene.change(|_| {});
        assert_eq!(text(scene.get("/orders").await).await, "second", "revoked: {is_revoked}");
        assert!(!connection.is_finished(), "its connection may have other calls");
        drop(answer);
    }
}

#[tokio::test]
async fn c1_what_must_not_be_reached_is_502_and_gets_no_packet() {
    let own = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = own.local_addr().expect("its address");
    let port = address.port();
    let rules = || Rules { own_listeners: vec![address], allow: Vec::new() };
    for upstream in [
        format!("http://{address}"),
        format!("http://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
    ] {
        let setup = Setup { rules: rules(), ..Setup::default() };
        let scene = Scene::with(routing(&[&upstream]), setup).await;
        assert_eq!(problem(scene.get("/orders").await).await, (502, "upstream_unreachable".to_owned()));
    }
    let came = tokio::time::timeout(Duration::from_millis(200), own.accept()).await;
    assert!(came.is_err(), "not one packet");
}
