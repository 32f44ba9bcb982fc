//! Who opens connections. An address that a user, a document or a DNS answer can influence is connected to by
//! `claviger-egress` and by nobody else; the few that reach for what the operator alone names are listed here.

use anyhow::Result;

use super::Finding;
use crate::house::House;

/// The ways out that a library offers. Put together here, so that this file does not contain them.
const CONNECTORS: [&str; 7] = [
    concat!("TcpStream::", "connect"),
    concat!("Tcp", "Socket"),
    concat!("Udp", "Socket"),
    concat!("Http", "Connector"),
    concat!("lookup", "_host"),
    concat!("to_socket", "_addrs"),
    concat!("reqwest::", "Client"),
];

/// The one way out, the client of whoever names a server on a command line, and what only developers run.
const MAY_CONNECT: [&str; 5] = [
    "crates/egress/src/",
    "crates/client/src/",
    "crates/testkit/src/",
    "crates/claviger/src/commands/quickstart/",
    "xtask/src/",
];

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let others =
        house.production().filter(|source| !MAY_CONNECT.iter().any(|place| source.path.starts_with(place)));
    let findings = others.flat_map(|source| {
        source.text.lines().enumerate().filter_map(|(index, line)| {
            let what = connector(line)?;
            Some(Finding::new(
                &source.path,
                index + 1,
                format!("`{what}`: connections leave by claviger-egress"),
            ))
        })
    });
    Ok(findings.collect())
}

fn connector(line: &str) -> Option<&'static str> {
    CONNECTORS.into_iter().find(|connector| line.contains(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_out_is_found_however_it_is_called() {
        for line in [
            concat!("let stream = TcpStream::", "connect(address).await?;"),
            concat!("use hyper_util::client::legacy::connect::Http", "Connector;"),
            concat!("tokio::net::lookup", "_host(name)"),
        ] {
            assert!(connector(line).is_some(), "{line}");
        }
        assert!(connector("listener.accept().await").is_none());
    }
}
