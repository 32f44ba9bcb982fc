//! A counted load: keep-alive connections over loopback, one request at a time on each, every answer read to
//! its end and looked at. One thread sends all of it and never sleeps, so that the load's core is not what is measured.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::http::{Exchange, PATIENCE};
use super::poll::{Line, Poll};

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) requests: u32,
    pub(super) connections: u8,
}

/// How long each request took, sorted, and all together.
#[derive(Debug)]
pub(super) struct Sent {
    latencies: Vec<Duration>,
    pub(super) took: Duration,
}

struct Sender {
    line: Line,
    left: u32,
    began: Instant,
}

impl Load {
    /// So many requests are sent: the same number on each connection.
    pub(super) const fn total(self) -> u32 {
        self.on_each() * self.connections as u32
    }

    const fn on_each(self) -> u32 {
        self.requests / self.connections as u32
    }

    /// Sends all requests.
    pub(super) fn send(self, exchange: &Exchange) -> Result<Sent> {
        let mut poll = Poll::new()?;
        let mut senders = (0..self.connections)
            .map(|_| Sender::open(exchange, self.on_each()))
            .collect::<Result<Vec<_>>>()?;
        let mut latencies = Vec::with_capacity(self.total() as usize);
        let began = Instant::now();
        for (number, sender) in senders.iter_mut().enumerate() {
            poll.add(&sender.line.stream, number)?;
            sender.send(exchange)?;
        }
        while latencies.len() < self.total() as usize {
            let before = latencies.len();
            let mut told = 0;
            for number in poll.watch(PATIENCE)? {
                told += 1;
                latencies.extend(senders[number].go_on(exchange)?);
            }
            if told == 0 {
                bail!("no answer within {PATIENCE:?}; {before} were answered");
            }
        }
        let took = began.elapsed();
        latencies.sort_unstable();
        Ok(Sent { latencies, took })
    }
}

impl Sender {
    fn open(exchange: &Exchange, left: u32) -> Result<Self> {
        let address = exchange.address;
        let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
        Ok(Self { line: Line::new(stream)?, left, began: Instant::now() })
    }

    fn send(&mut self, exchange: &Exchange) -> Result<()> {
        self.began = Instant::now();
        self.line.say(&exchange.bytes)
    }

    /// Reads what came. How long the answer took, if it is whole; then the next request is sent.
    fn go_on(&mut self, exchange: &Exchange) -> Result<Option<Duration>> {
        ensure!(self.line.read()?, "the connection was closed");
        let Some((head, body)) = self.line.message()? else { return Ok(None) };
        let took = self.began.elapsed();
        ensure!(
            exchange.fits(head, body),
            "not the answer expected: {}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
        self.line.forget();
        self.left -= 1;
        if self.left > 0 {
            self.send(exchange)?;
        }
        Ok(Some(took))
    }
}

impl Sent {
    /// How many were answered.
    pub(super) fn requests(&self) -> usize {
        self.latencies.len()
    }

    /// What so many in a hundred did not take longer than.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}
