//! Loopback ports that no other test has, in this process or another.
//!
//! Asking the kernel for any free port and giving it back leaves a gap in which an outgoing connection or
//! another test may take it. So ports are taken from below the range of outgoing connections, and each is
//! claimed by a locked file for as long as it is held.

use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below 32768, where Linux begins to hand out ports to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A loopback port claimed for whoever holds this value.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    pub const fn number(&self) -> u16 {
        self.number
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

/// Prints the number alone, to be put into addresses and configurations.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// Claims a port on which nothing listens.
pub fn free_port() -> Port {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let folder =
        std::env::temp_dir().join(format!("claviger-test-ports-{}", rustix::process::getuid().as_raw()));
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("make {}: {e}", folder.display()));
    // Processes begin at different places, so that they seldom meet.
    let beginning = u16::try_from(std::process::id() * 61 % u32::from(COUNT)).unwrap_or_default();
    (0..COUNT)
        .map(|_| FIRST + (beginning + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find_map(|number| claim(&folder, number))
        .unwrap_or_else(|| panic!("no free loopback port from {FIRST} to {}", FIRST + COUNT - 1))
}

fn claim(folder: &Path, number: u16) -> Option<Port> {
    let claim = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(folder.join(number.to_string()))
        .ok()?;
    claim.try_lock().ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    Some(Port { number, _claim: claim })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_while_it_is_held() {
        let held: Vec<Port> = (0..50).map(|_| free_port()).collect();
        let mut numbers: Vec<u16> = held.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let held = free_port();
        let folder =
            std::env::temp_dir().join(format!("claviger-test-ports-{}", rustix::process::getuid().as_raw()));
        assert!(claim(&folder, held.number()).is_none());
    }
}
