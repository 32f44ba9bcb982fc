//! A server on a thread of its own whose CPU time can be asked for, and connections that keep it busy.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;

use axum::Router;
use claviger_edge::Limits;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Enough connections that the server finds several ready at each turn.
const CONNECTIONS: usize = 16;

pub(crate) struct Server {
    address: SocketAddr,
    ask: UnboundedSender<mpsc::Sender<u64>>,
}

impl Server {
    pub(crate) fn start(router: Router) -> Self {
        let (ask, mut asked) = unbounded_channel::<mpsc::Sender<u64>>();
        let (bound, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                bound.send(listener.local_addr().expect("an address")).expect("sent");
                let answer = claviger_api::answering(router);
                tokio::spawn(claviger_edge::serve(listener, Limits::DEFAULT, answer, std::future::pending()));
                while let Some(answer) = asked.recv().await {
                    answer.send(cpu_nanos()).expect("sent");
                }
            });
        });
        Self { address: address.recv().expect("an address"), ask }
    }

    /// What the server's thread has used of the processor so far.
    fn cpu_nanos(&self) -> u64 {
        let (sender, answer) = mpsc::channel();
        self.ask.send(sender).expect("asked");
        answer.recv().expect("an answer")
    }
}

/// Of this thread, by the kernel's own account.
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

/// Connections kept alive, all asking the same.
pub(crate) struct Wire {
    connections: Vec<TcpStream>,
    request: Vec<u8>,
    length: usize,
}

impl Wire {
    pub(crate) fn connect(server: &Server, key: &str, body: &str) -> Self {
        let request = format!(
            "POST /v1/verify HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        );
        let connections = (0..CONNECTIONS).map(|_| connection(server.address)).collect();
        Self { connections, request: request.into_bytes(), length: 0 }
    }

    /// The body of one answer; all later ones are as long.
    pub(crate) fn once(&mut self) -> Vec<u8> {
        let connection = &mut self.connections[0];
        connection.write_all(&self.request).expect("written");
        let mut answer = vec![0; 16 << 10];
        let length = connection.read(&mut answer).expect("read");
        answer.truncate(length);
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        self.length = length;
        answer.split_off(head)
    }

    /// Microseconds of the server's processor per request.
    pub(crate) fn cost(&mut self, server: &Server, requests: usize) -> f64 {
        let before = server.cpu_nanos();
        let mut answer = vec![0; self.length];
        for _ in 0..requests / CONNECTIONS {
            for connection in &mut self.connections {
                connection.write_all(&self.request).expect("written");
            }
            for connection in &mut self.connections {
                connection.read_exact(&mut answer).expect("read");
            }
        }
        (server.cpu_nanos() - before) as f64 / requests as f64 / 1_000.0
    }
}

fn connection(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).expect("connected");
    connection.set_nodelay(true).expect("no delay");
    connection
}
