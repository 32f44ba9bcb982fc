//! Open streams are bound to their decision (product.md F4).

use std::time::{Duration, Instant};

use bytes::Bytes;
use claviger_verify::KeyEnd;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::{Behind, Scene, World, problem, whole};
use crate::streams::{channel, upgraded, websocket};

type Change = fn(&mut World);

const BOUND: Duration = Duration::from_secs(1);

/// An upstream that sends a first word, and then one each 50 ms.
async fn chatty() -> Behind {
    Behind::start(async |_| {
        let (sender, body) = channel();
        tokio::spawn(async move {
            while sender.send(Frame::data(Bytes::from_static(b"word"))).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Response::new(body)
    })
    .await
}

/// An upstream that sends a first word, and nothing after it.
async fn silent() -> Behind {
    Behind::start(async |_| {
        let (sender, body) = channel();
        tokio::spawn(async move {
            let _ = sender.send(Frame::data(Bytes::from_static(b"word"))).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        Response::new(body)
    })
    .await
}

/// Reads on until the stream is cut: how long that took. Panics if it ended as if it were whole.
async fn cut_after(mut body: Incoming) -> Duration {
    let since = Instant::now();
    loop {
        match body.frame().await {
            Some(Ok(_)) => assert!(since.elapsed() < BOUND * 5, "it goes on"),
            Some(Err(_)) => return since.elapsed(),
            None => panic!("it ended as if it were whole"),
        }
    }
}

#[tokio::test]
async fn f4_a_stream_is_cut_within_a_second_when_it_would_now_be_refused() {
    let changes: [(&str, Change); 4] = [
        ("revoked", |world| world.ended = Some(KeyEnd::Revoked)),
        ("suspended", |world| world.suspended = true),
        ("not subscribed", |world| world.subscribed = false),
        ("not exposed", |world| world.exposed = false),
    ];
    for behind in [chatty().await, silent().await] {
        for (what, change) in changes {
            let scene = Scene::new(&[&behind.url()]).await;
            for http2 in [false, true] {
                scene.change(|_| {});
                let request = scene.request("GET", "/orders", whole(""));
                let response = if http2 { scene.send_h2(request).await } else { scene.send(request).await };
                let mut body = response.into_body();
                body.frame().await.expect("a frame").expect("a word");
                scene.change(change);
                let took = cut_after(body).await;
                assert!(took < BOUND, "{what}, HTTP/2 {http2}: {took:?}");
            }
        }
    }
}

#[tokio::test]
async fn f4_the_clock_cuts_too() {
    let behind = chatty().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let expires_at = Some(scene.now().plus_seconds(60));
    scene.change(|world| world.expires_at = expires_at);
    let mut body = scene.get("/orders").await.into_body();
    for _ in 0..10 {
        body.frame().await.expect("a frame").expect("a word");
    }
    scene.pass(61);
    let took = cut_after(body).await;
    assert!(took < BOUND, "{took:?}");
    assert_eq!(problem(scene.get("/orders").await).await, (401, "expired".to_owned()));
}

#[tokio::test]
async fn f4_a_change_that_does_not_concern_a_stream_leaves_it_alone() {
    let behind = chatty().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut body = scene.get("/orders").await.into_body();
    for _ in 0..20 {
        scene.change(|_| {});
        body.frame().await.expect("a frame").expect("a word");
    }
}

#[tokio::test]
async fn f4_an_upgraded_connection_is_cut() {
    let behind = Behind::start(upgraded).await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut socket = websocket(&scene).await;
    socket.write_all(b"hello").await.expect("it is taken");
    socket.read_exact(&mut [0; 5]).await.expect("it is said again");
    let since = Instant::now();
    scene.change(|world| world.ended = Some(KeyEnd::Revoked));
    while let Ok(1..) = socket.read(&mut [0; 16]).await {}
    assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
}

#[tokio::test]
async fn f4_an_upload_and_a_call_that_waits_for_its_answer_are_cut_with_the_code() {
    let behind = Behind::start(async |request| {
        let _ = request.into_body().collect().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        Response::new(whole("late"))
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let (sender, body) = channel();
    let uploading = tokio::spawn(async move {
        while sender.send(Frame::data(Bytes::from_static(b"piece"))).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let asked = scene.send(scene.request("POST", "/orders", body));
    let changed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        scene.change(|world| world.ended = Some(KeyEnd::Revoked));
        Instant::now()
    };
    let (response, since) = tokio::join!(asked, changed);
    assert_eq!(problem(response).await, (401, "revoked".to_owned()));
    assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
    tokio::time::timeout(BOUND, uploading).await.expect("the upload ends").expect("it does not panic");
}

#[tokio::test]
async fn a_gateway_that_ends_lets_calls_end_and_cuts_what_does_not() {
    let behind = Behind::start(async |request| {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(500)).await;
            return Response::new(whole("done"));
        }
        upgraded(request).await
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut socket = websocket(&scene).await;
    let call = scene.get("/orders/slow");
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scene.stop.cancel();
    };
    let (response, ()) = tokio::join!(call, stopping);
    assert_eq!(crate::scene::text(response).await, "done", "the call was not dropped");
    scene.gateway.close(Duration::from_millis(200)).await;
    assert!(matches!(socket.read(&mut [0; 1]).await, Ok(0) | Err(_)), "the socket is cut");
    scene.serving.await.expect("the listener ends");
}

/// Who takes nothing is not asked for more, and would not notice.
#[tokio::test]
async fn f4_a_caller_that_takes_nothing_is_cut_too_and_its_upstream_let_go() {
    let (let_go, mut went) = tokio::sync::mpsc::channel(1);
    let behind = Behind::start(move |_| {
        let let_go = let_go.clone();
        async move {
            let (sender, body) = channel();
            tokio::spawn(async move {
                let piece = Bytes::from(vec![7; 64 << 10]);
                while sender.send(Frame::data(piece.clone())).await.is_ok() {}
                let _ = let_go.send(Instant::now()).await;
            });
            Response::new(body)
        }
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let mut stream = TcpStream::connect(scene.address).await.expect("the gateway");
    let call = format!("GET /orders HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", scene.key);
    stream.write_all(call.as_bytes()).await.expect("it is taken");
    // All buffers between the two are full by then.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let since = Instant::now();
    scene.change(|world| world.ended = Some(KeyEnd::Revoked));
    let gone = tokio::time::timeout(BOUND, went.recv()).await.expect("within a second").expect("told");
    assert!(gone > since, "it waited until then");
    tokio::time::sleep_until((since + BOUND).into()).await;
    // What was sent before may still come; then nothing does.
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        received += read;
    }
    assert!(received < 64 << 20, "{received}");
}
