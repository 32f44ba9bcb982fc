//! The server under the routes, over real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use claviger_edge::Limits;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::world::World;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn serve(router: Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel();
    let answer = claviger_api::answering(router);
    let serving = tokio::spawn(claviger_edge::serve(listener, Limits::DEFAULT, answer, async {
        let _ = stopped.await;
    }));
    Running { address, stop, serving }
}

/// Sends the bytes and reads until the server closes, or has nothing more to say.
fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).expect("connected");
    connection.set_read_timeout(Some(Duration::from_secs(5))).expect("a deadline");
    // A server that refuses may close before everything is written.
    let _ = connection.write_all(bytes);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(address: SocketAddr, bytes: Vec<u8>) -> String {
    tokio::task::spawn_blocking(move || say(address, &bytes)).await.expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded_before_a_route_is_chosen() {
    let world = World::on_sqlite().await;
    let server = serve(world.router()).await;
    let with_header = |length: usize| {
        let value = "x".repeat(length);
        format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-large: {value}\r\n\r\n")
            .into_bytes()
    };
    let small = ask(server.address, with_header(10)).await;
    assert!(small.starts_with("HTTP/1.1 200"), "{small}");
    let large = ask(server.address, with_header(40 << 10)).await;
    assert!(large.starts_with("HTTP/1.1 431") && large.contains("headers_too_large"), "{large}");
    let endless = ask(server.address, with_header(1 << 20)).await;
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 431"), "{endless}");
    let nonsense = ask(server.address, b"\x16\x03\x01 hello\r\n\r\n".to_vec()).await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_ends_idle_connections() {
    let world = World::on_sqlite().await;
    let server = serve(world.router()).await;
    let mut idle = TcpStream::connect(server.address).expect("connected");
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").expect("written");
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.stop.send(()).expect("told");
    tokio::time::timeout(Duration::from_secs(5), server.serving).await.expect("in time").expect("ended");
    assert!(TcpStream::connect(server.address).is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for_and_changes_nothing() {
    let world = World::on_sqlite().await;
    let server = serve(world.router_in_haste(Duration::from_millis(200))).await;
    let before = world.position().await;
    let head = format!(
        "POST /v1/environments HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: 40\r\n\r\n{{\"slug\": \"half\",",
        world.owner
    );
    let answer = ask(server.address, head.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("timed_out"), "{answer}");
    assert_eq!(world.position().await, before);
}
