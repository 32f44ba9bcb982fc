//! Broken and hostile HTTP, byte for byte: it is answered 400 or cut off, and reaches no upstream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::{Behind, Scene};

/// Sends these bytes and reads all that comes back.
async fn say(scene: &Scene, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(scene.address).await.expect("the gateway");
    // A gateway that has heard enough may hang up meanwhile.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_millis(400), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// What comes behind `GET /orders/x HTTP/1.1` and the key, or stands for all of it if it begins with `!`.
const CORPUS: &[&str] = &[
    // Paths that can be read in two ways.
    "!GET /orders/../admin HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/%2e%2e/admin HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/.%2E/admin HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/./x HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/a%2f..%2fb HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/%5c..%5cadmin HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders\\x HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/%00 HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/%ff%fe HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/% HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET /orders/x y HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!OPTIONS * HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!GET orders HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    // Methods that are not passed on.
    "!CONNECT orders:80 HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!TRACE /orders HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    "!G\u{0}T /orders HTTP/1.1\r\nHost: a\r\nKEY\r\n\r\n",
    // No HTTP.
    "!\r\n\r\n\u{0}\u{1}\u{2}",
    "!GET /orders\r\n\r\n",
    "!GET /orders HTTP/9.9\r\nHost: a\r\nKEY\r\n\r\n",
    "!\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}",
    // Hosts.
    "!GET /orders HTTP/1.1\r\nKEY\r\n\r\n",
    "Host: b\r\n\r\n",
    // Framing.
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "transfer-encoding:chunked\r\ncontent-length:0\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "Content-Length: +5\r\n\r\nhello",
    "Content-Length: -1\r\n\r\nhello",
    "Content-Length: 0x5\r\n\r\nhello",
    "Content-Length: 5, 6\r\n\r\nhello",
    "Content-Length: 99999999999999999999999\r\n\r\nhello",
    "Content-Length : 5\r\n\r\nhello",
    // Header lines.
    "X-Folded: a\r\n b\r\n\r\n",
    "X Space: a\r\n\r\n",
    "X-Nul: a\u{0}b\r\n\r\n",
    "X-Bare: a\rb\r\n\r\n",
    ": no name\r\n\r\n",
    "no colon\r\n\r\n",
    "X-\u{e9}: a\r\n\r\n",
];

#[tokio::test]
async fn broken_http_reaches_no_upstream() {
    let behind = Behind::hello().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let key = format!("X-API-Key: {}", scene.key);
    let mut wrong = Vec::new();
    for entry in CORPUS {
        let text = match entry.strip_prefix('!') {
            Some(whole) => whole.replace("KEY", &key),
            None => format!("POST /orders/x HTTP/1.1\r\nHost: a\r\n{key}\r\n{entry}"),
        };
        let answer = say(&scene, text.as_bytes()).await;
        let refused = answer.is_empty()
            || ["HTTP/1.1 400", "HTTP/1.1 405", "HTTP/1.1 431", "HTTP/1.1 501", "HTTP/1.1 505"]
                .iter()
                .any(|status| answer.starts_with(status));
        if !refused {
            wrong.push(format!("{entry:?}: {}", answer.lines().next().unwrap_or_default()));
        }
        if behind.count() > 0 {
            wrong.push(format!("{entry:?} reached the upstream"));
            behind.seen.lock().expect("nobody panicked").clear();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(behind.connections.load(Ordering::Relaxed), 0);
    // The same words without the fault do.
    let good = format!("GET /orders/x HTTP/1.1\r\nHost: a\r\n{key}\r\nConnection: close\r\n\r\n");
    assert!(say(&scene, good.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

/// An upstream that says whether the body came wholly.
async fn reading() -> Behind {
    Behind::start(async |request: http::Request<hyper::body::Incoming>| {
        use http_body_util::BodyExt as _;
        let whole = request.into_body().collect().await.is_ok();
        http::Response::new(crate::scene::whole(if whole { "whole" } else { "broken" }))
    })
    .await
}

/// What each answer on a connection was.
fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|one| &one[..3]).collect()
}

#[tokio::test]
async fn a_body_that_is_broken_on_its_way_ends_the_call_and_smuggles_nothing() {
    let behind = reading().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let head = format!("POST /orders/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", scene.key);
    for body in [
        "Transfer-Encoding: chunked\r\n\r\nz\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloGET /orders/smuggled HTTP/1.1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5;\u{0}\r\nhello",
    ] {
        let answer = say(&scene, format!("{head}{body}").as_bytes()).await;
        assert!(!answer.contains("whole"), "{body:?}: {answer}");
    }
}

#[tokio::test]
async fn a_call_with_two_lengths_is_refused_and_ends_its_connection_behind_good_ones_too() {
    let behind = reading().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let head = format!("POST /orders/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", scene.key);
    let good = format!("{head}Transfer-Encoding: chunked\r\n\r\n13\r\n\r\nContent-Length: 5\r\n0\r\n\r\n");
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let hidden = format!("{head}Content-Length: 0\r\n\r\n");
    let mut stream = TcpStream::connect(scene.address).await.expect("the gateway");
    let text = format!("{good}{good}{head}{both}{hidden}");
    stream.write_all(text.as_bytes()).await.expect("it listens");
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    ended.expect("the connection ends").expect("in order");
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(statuses(&answer), ["200", "200", "400"], "{answer}");
    assert_eq!(behind.count(), 2);
}

#[tokio::test]
async fn trailers_hide_no_call_with_two_lengths() {
    let behind = reading().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let head = format!("POST /orders/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", scene.key);
    let both = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    // The server takes a bare LF in them for content, and then for their end.
    for trailers in [
        "\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
        "\nPOST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "foo: bar\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
    ] {
        let text = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}{head}{both}");
        let answer = say(&scene, text.as_bytes()).await;
        assert_eq!(statuses(&answer), ["200", "400"], "{trailers:?}: {answer}");
    }
    assert_eq!(behind.count(), 3);
}

#[tokio::test]
async fn heads_that_are_too_long_are_cut_off() {
    let behind = Behind::hello().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let key = format!("X-API-Key: {}", scene.key);
    let long =
        format!("GET /orders HTTP/1.1\r\nHost: a\r\n{key}\r\nX-Long: {}\r\n\r\n", "a".repeat(200 << 10));
    let many: String = (0..5_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET /orders HTTP/1.1\r\nHost: a\r\n{key}\r\n{many}\r\n");
    let path = format!("GET /orders/{} HTTP/1.1\r\nHost: a\r\n{key}\r\n\r\n", "a".repeat(200 << 10));
    for text in [long, many, path] {
        let answer = say(&scene, text.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{}", &answer[..answer.len().min(80)]);
    }
    assert_eq!(behind.count(), 0);
}
