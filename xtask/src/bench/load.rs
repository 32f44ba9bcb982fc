//! A counted load: keep-alive connections over loopback, one request at a time on each, every answer read to
//! its end and looked at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) requests: u32,
    pub(super) connections: u8,
}

/// How long one answer may take before all is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One request, ready to be sent, and what its answer must hold.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) address: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// Stands somewhere in the answer's head or body.
    pub(super) expected: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

/// How long each request took, sorted, and all together.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) latencies: Vec<Duration>,
    pub(super) took: Duration,
}

impl Load {
    /// Sends all requests.
    pub(super) fn send(self, exchange: &Exchange) -> Result<Sent> {
        let each = self.requests / u32::from(self.connections);
        let began = Instant::now();
        let senders: Vec<_> = (0..self.connections)
            .map(|_| {
                let exchange = exchange.clone();
                thread::spawn(move || on_one_connection(&exchange, each))
            })
            .collect();
        let mut latencies = Vec::new();
        for sender in senders {
            match sender.join() {
                Ok(sent) => latencies.extend(sent?),
                Err(_) => bail!("a sender panicked"),
            }
        }
        let took = began.elapsed();
        latencies.sort_unstable();
        Ok(Sent { latencies, took })
    }
}

fn on_one_connection(exchange: &Exchange, requests: u32) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(exchange.address)?;
    (0..requests)
        .map(|_| {
            let began = Instant::now();
            let answer = connection.exchange(&exchange.bytes)?;
            let took = began.elapsed();
            let fits = answer.head.contains(&exchange.expected) || answer.body.contains(&exchange.expected);
            ensure!(answer.status == 200 && fits, "not the answer expected: {answer:?}");
            Ok(took)
        })
        .collect()
}

/// A keep-alive connection.
pub(super) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(super) fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.0.get_mut().write_all(request).context("send")?;
        let mut head = String::new();
        let mut length = 0;
        loop {
            let begun = head.len();
            ensure!(self.0.read_line(&mut head).context("receive")? > 0, "the connection was closed");
            let line = head[begun..].trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("content-length")?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).context("receive the body")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.context("a status")?, head, body: String::from_utf8(body)? })
    }
}
