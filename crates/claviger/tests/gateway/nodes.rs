//! Open streams at two nodes: what one of them revokes is cut at both within a second (product.md F4).

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use claviger_testkit::{Postgres, Server};
use serde_json::Value;

use super::installation::{Installation, claviger};

const BOUND: Duration = Duration::from_secs(1);

/// An upstream that sends an event every 20 milliseconds, to whoever comes and for as long as they stay.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || tell(stream));
        }
    });
    address
}

fn tell(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let mut told = stream.write_all(head.as_bytes());
    while told.is_ok() {
        told = stream.write_all(b"data: tick\n\n");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Calls, and reads the first line of the answer.
fn ask(server: &Server, key: &str) -> (BufReader<TcpStream>, String) {
    let address = server.gateway_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND * 5)).unwrap();
    write!(stream, "GET /behind/events HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n").unwrap();
    let (mut reader, mut line) = (BufReader::new(stream), String::new());
    reader.read_line(&mut line).unwrap();
    (reader, line.trim_end().to_owned())
}

/// Opens a stream and waits for its first event.
fn open(server: &Server, key: &str) -> BufReader<TcpStream> {
    let (mut stream, status) = ask(server, key);
    assert_eq!(status, "HTTP/1.1 200 OK");
    let mut line = String::new();
    while line.trim_end() != "data: tick" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "no event came");
    }
    stream
}

/// Reads to the end of the stream: when that was.
fn end_of(mut stream: impl Read) -> Instant {
    let mut buffer = [0; 4_096];
    while let Ok(1..) = stream.read(&mut buffer) {}
    Instant::now()
}

#[test]
fn f4_what_one_node_revokes_is_cut_at_both_within_a_second() {
    let database = Postgres::shared().create_database();
    let one = claviger().with_database(database.url());
    let upstream = format!("http://{}", serve());
    let installation = Installation::new(one, &upstream);
    let other_claviger = installation.claviger.another_node();
    let other = other_claviger.serve();
    let in_sync = || {
        let nodes = installation.client.get("/v1/nodes").send::<Value>();
        let nodes = installation.runtime.block_on(nodes).unwrap().body["items"].as_array().unwrap().clone();
        nodes.len() == 2 && nodes.iter().all(|node| node["status"] == "in_sync")
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !in_sync() {
        assert!(Instant::now() < deadline, "the other node does not follow");
        thread::sleep(Duration::from_millis(50));
    }
    let acts: [(&str, Option<&str>); 2] = [("suspend", Some("activate")), ("revoke", None)];
    for (act, undone) in acts {
        let streams = [&installation.server, &other].map(|server| open(server, &installation.key));
        let ends = streams.map(|stream| thread::spawn(move || end_of(stream)));
        thread::sleep(Duration::from_millis(200));
        assert!(ends.iter().all(|end| !end.is_finished()), "open until then");
        let since = Instant::now();
        installation.act(act);
        for (node, end) in ends.into_iter().enumerate() {
            let took = end.join().unwrap().saturating_duration_since(since);
            assert!(took < BOUND, "{act}, node {node}: {took:?}");
        }
        if let Some(undone) = undone {
            installation.act(undone);
            let deadline = Instant::now() + Duration::from_secs(5);
            while ask(&other, &installation.key).1 != "HTTP/1.1 200 OK" {
                assert!(Instant::now() < deadline, "the other node goes on refusing");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
