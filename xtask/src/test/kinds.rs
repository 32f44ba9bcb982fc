//! The kinds of tests, as data. A kind is what is given to `cargo test --workspace`; always the whole
//! workspace, so that nothing is built twice with other features.

use anyhow::{Result, bail};

use crate::house::House;

pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [&'static str],
}

/// A row for each kind, in the order of running. An integration test belongs to the kind whose pattern fits
/// its file's name.
pub(super) const KINDS: &[Kind] = &[
    Kind { name: "unit and property", arguments: &["--lib", "--bins", "--test", "lifecycle*"] },
    Kind {
        name: "deciding, in memory",
        arguments: &["--test", "deciding*", "--test", "extraction*", "--test", "control*"],
    },
    Kind { name: "OpenAPI documents, good, wrong and hostile", arguments: &["--test", "openapi*"] },
    Kind { name: "keeper, as a process", arguments: &["--test", "keeper*"] },
    Kind { name: "store, on both databases", arguments: &["--test", "contract*"] },
    Kind { name: "use cases", arguments: &["--test", "service*"] },
    Kind { name: "HTTP", arguments: &["--test", "rest*", "--test", "listening*", "--test", "egress*"] },
    Kind {
        name: "doors: gateway, nginx, Caddy, Envoy, library",
        arguments: &["--test", "forward_auth*", "--test", "gateway*", "--test", "doors*"],
    },
    Kind { name: "limits, with Redis", arguments: &["--test", "limits*"] },
    Kind { name: "Git, with a real sshd", arguments: &["--test", "git*"] },
    Kind { name: "data nodes", arguments: &["--test", "data_nodes*"] },
    Kind { name: "command line", arguments: &["--test", "cli*"] },
    Kind { name: "pages, in Chromium", arguments: &["--test", "pages*"] },
    Kind { name: "documents", arguments: &["--test", "docs*"] },
    Kind { name: "crashes", arguments: &["--test", "crash*"] },
    Kind { name: "load, changes and faults", arguments: &["--test", "soak*"] },
];

impl Kind {
    fn covers(&self, test: &str) -> bool {
        self.patterns().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => test.starts_with(beginning),
            None => test == pattern,
        })
    }

    fn patterns(&self) -> impl Iterator<Item = &'static str> {
        self.arguments.windows(2).filter(|pair| pair[0] == "--test").map(|pair| pair[1])
    }
}

/// No integration test is left out, and none runs as two kinds.
pub(super) fn demand_all_covered(house: &House) -> Result<()> {
    for package in house.packages.ours.values() {
        for test in &package.tests {
            let kinds: Vec<&str> =
                KINDS.iter().filter(|kind| kind.covers(test)).map(|kind| kind.name).collect();
            if kinds.len() != 1 {
                let path = format!("{}/tests/{test}.rs", package.folder);
                bail!(
                    "{path} belongs to {} kinds of tests {kinds:?}, not to one: name it by its kind",
                    kinds.len()
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_covered_by_the_beginning_of_its_name() {
        let kinds = |test: &str| {
            KINDS.iter().filter(|kind| kind.covers(test)).map(|kind| kind.name).collect::<Vec<_>>()
        };
        assert_eq!(kinds("contract_log"), ["store, on both databases"]);
        assert_eq!(kinds("rest"), ["HTTP"]);
        assert!(kinds("stray").is_empty());
    }

    #[test]
    fn every_integration_test_has_its_kind() {
        demand_all_covered(&House::read().unwrap()).unwrap();
    }
}
