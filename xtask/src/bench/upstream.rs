//! What stands behind all proxies: it answers each request with the same words and costs as little as it can, on
//! the load's core. It counts what reaches it, so that it shows whether a proxy let a call through.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::poll::{Line, Poll};
use crate::shell::complain;

/// The body of each answer.
pub(super) const BODY: &str =
    r#"{"id":"17","state":"shipped","lines":[{"sku":"a-1","count":2},{"sku":"b-7","count":1}]}"#;
const LISTENER: usize = 0;
/// It waits as long as nothing comes.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

/// The upstream, on a thread that ends with the process.
pub(super) struct Upstream {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: AtomicUsize,
    last: Mutex<Vec<u8>>,
}

impl Upstream {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a loopback port")?;
        let (address, seen) = (listener.local_addr()?, Arc::<Seen>::default());
        let serving = Arc::clone(&seen);
        thread::spawn(move || {
            if let Err(error) = serve(&listener, &serving) {
                complain(&format!("the upstream ended: {error:#}"));
            }
        });
        Ok(Self { address, seen })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many calls have reached it.
    pub(super) fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::Acquire)
    }

    /// The head of the last one, in lower case.
    pub(super) fn last(&self) -> String {
        let last = self.seen.last.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&last).to_lowercase()
    }
}

fn serve(listener: &TcpListener, seen: &Seen) -> Result<()> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut poll = Poll::new()?;
    let (mut lines, mut next) = (HashMap::new(), LISTENER + 1);
    poll.add(listener, LISTENER)?;
    loop {
        let ready: Vec<usize> = poll.wait(FOR_EVER)?.collect();
        for number in ready {
            if number == LISTENER {
                let line = Line::new(listener.accept()?.0)?;
                poll.add(&line.stream, next)?;
                lines.insert(next, line);
                next += 1;
            } else if let Some(line) = lines.get_mut(&number)
                && !go_on(line, seen, answer.as_bytes())?
            {
                lines.remove(&number);
            }
        }
    }
}

/// Reads what came, and answers it once it is whole; false: the connection has ended.
fn go_on(line: &mut Line, seen: &Seen, answer: &[u8]) -> Result<bool> {
    if !line.read()? {
        return Ok(false);
    }
    let Some((head, _)) = line.message()? else { return Ok(true) };
    {
        let mut last = seen.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clear();
        last.extend_from_slice(head);
    }
    seen.calls.fetch_add(1, Ordering::Release);
    line.forget();
    // A proxy that hung up meanwhile has lost its answer, and says so.
    Ok(line.say(answer).is_ok())
}
