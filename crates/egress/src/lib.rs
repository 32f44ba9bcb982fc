//! The one way out. Whoever writes an upstream, a document or a DNS record can make Claviger connect
//! somewhere, so every such connection is opened here and nowhere else: the name is resolved once, the addresses
//! are judged by what the connection is for, and one that was judged is the one that is connected to. No
//! redirect is followed and no proxy of the environment is asked: what comes back is a bare TCP stream.

mod judge;
mod resolve;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub use judge::Reason;
pub use resolve::{Addresses, Resolve, System};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An API's upstream, which may well stand on this machine or in a private network.
    Upstream,
    /// Anything else, which stands outside: only what the whole Internet can reach.
    Outside,
}

/// Where connections must not go, and what the operator lets them reach all the same.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Where Claviger itself listens. An unspecified address stands for all of this machine.
    pub own_listeners: Vec<SocketAddr>,
    /// Networks that may be reached although their kind is refused. Never metadata services, nor what is our own.
    pub allow: Vec<IpNet>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was sent.
    #[error("{host} is {address}, {reason}")]
    Refused { host: String, address: IpAddr, reason: Reason },
    #[error("{host} can't be resolved: {source}")]
    Unresolved { host: String, source: io::Error },
    #[error("{address} can't be reached: {source}")]
    Unreachable { address: SocketAddr, source: io::Error },
    #[error("{host} did not answer in time")]
    TimedOut { host: String },
}

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    rules: Arc<Rules>,
    resolver: Arc<dyn Resolve>,
}

impl Egress {
    /// With the system's resolver.
    pub fn new(rules: Rules) -> Self {
        Self::with_resolver(rules, Arc::new(System))
    }

    pub fn with_resolver(rules: Rules, resolver: Arc<dyn Resolve>) -> Self {
        Self { rules: Arc::new(rules), resolver }
    }

    /// Connects to the first address of `host` that may be reached and answers. `host` is a name or an address,
    /// also one in brackets; `patience` is for all of it together.
    pub async fn connect(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<TcpStream, Error> {
        let deadline = Instant::now() + patience;
        let addresses = self.permitted(purpose, host, port, deadline).await?;
        let mut failed = Error::TimedOut { host: host.to_owned() };
        for (tried, address) in addresses.iter().enumerate() {
            // Each gets its share of what is left, so that one that says nothing does not stand for all.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            match timeout_at(Instant::now() + share, TcpStream::connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => failed = Error::Unreachable { address: *address, source },
                Err(_) => failed = Error::TimedOut { host: host.to_owned() },
            }
        }
        Err(failed)
    }

    /// The addresses of `host` that may be reached, for a program of the system's that connects to one of them
    /// itself: it must be told the address, and never the name.
    pub async fn addresses(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, Error> {
        self.permitted(purpose, host, port, Instant::now() + patience).await
    }

    /// The addresses of the name that may be reached, resolved now and never again.
    async fn permitted(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Error> {
        let resolved = timeout_at(deadline, self.resolve(host, port)).await;
        let addresses = match resolved {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(source)) => return Err(Error::Unresolved { host: host.to_owned(), source }),
            Err(_) => return Err(Error::TimedOut { host: host.to_owned() }),
        };
        let mut permitted = Vec::with_capacity(addresses.len());
        let mut refused = None;
        for address in addresses {
            match judge::judge(&self.rules, purpose, address) {
                Ok(()) => permitted.push(address),
                Err(reason) => refused = Some((address.ip(), reason)),
            }
        }
        match refused {
            Some((address, reason)) if permitted.is_empty() => {
                tracing::warn!(host, %address, %reason, "a connection was refused");
                Err(Error::Refused { host: host.to_owned(), address, reason })
            }
            _ if permitted.is_empty() => {
                let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                Err(Error::Unresolved { host: host.to_owned(), source })
            }
            _ => Ok(permitted),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
            Err(_) => self.resolver.resolve(host, port).await,
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Egress").field(&self.rules).finish()
    }
}
