//! Requests as bytes, answers as text, and a connection that takes its time: for what is asked before the load.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// How long one answer may take before all is given up.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// One request, ready to be sent, and what its answer must be.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) address: SocketAddr,
    pub(super) bytes: Vec<u8>,
    pub(super) status: u16,
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

impl Exchange {
    /// Sends the request on a connection of its own.
    pub(super) fn check(&self) -> Result<()> {
        let answer = Connection::open(self.address)?.exchange(&self.bytes)?;
        let fits = answer.head.contains(&self.expected) || answer.body.contains(&self.expected);
        ensure!(
            answer.status == self.status && fits,
            "{} with {:?} was expected, not {answer:?}",
            self.status,
            self.expected
        );
        Ok(())
    }

    /// Whether this is the answer expected.
    pub(super) fn fits(&self, head: &[u8], body: &[u8]) -> bool {
        let wanted = self.expected.as_bytes();
        let has = |text: &[u8]| text.windows(wanted.len()).any(|part| part == wanted);
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status == Some(self.status) && (has(body) || has(head))
    }
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

/// The address in `http://127.0.0.1:port`.
pub(super) fn address_of(url: &str) -> Result<SocketAddr> {
    url.trim_start_matches("http://").parse().with_context(|| format!("an address: {url}"))
}

pub(super) fn bearer(service_key: &str) -> String {
    format!("Bearer {service_key}")
}

pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
