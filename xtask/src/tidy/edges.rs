//! Which crate may name which, from the list in ARCHITECTURE.md: of ours only what the list allows, of others
//! never what it forbids, however long the way.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::{Finding, markdown};
use crate::house::{House, Packages};

const LIST: &str = "ARCHITECTURE.md";

pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    let text = house.text(LIST)?;
    let rows = markdown::table(&text, "edges")
        .context("ARCHITECTURE.md has no list of edges between its markers")?;
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for (line, cells) in &rows {
        let [package, may_name, never] = cells.as_slice() else {
            findings.push(Finding::new(LIST, *line, "a row of edges has three cells"));
            continue;
        };
        let edges = Edges { line: *line, may_name: names(may_name), never: names(never) };
        for package in names(package) {
            edges.check(&house.packages, &package, &mut findings);
            listed.insert(package);
        }
    }
    let missing = house.packages.ours.keys().filter(|name| !listed.contains(*name));
    findings.extend(
        missing.map(|name| Finding::new(LIST, 0, format!("the list of edges has no row for `{name}`"))),
    );
    Ok(findings)
}

struct Edges {
    line: usize,
    may_name: Vec<String>,
    never: Vec<String>,
}

impl Edges {
    fn check(&self, packages: &Packages, name: &str, findings: &mut Vec<Finding>) {
        let mut found = |what: String| findings.push(Finding::new(LIST, self.line, what));
        let Some(package) = packages.ours.get(name) else {
            return found(format!("there is no package `{name}`"));
        };
        for other in packages.direct(package) {
            let allowed = self.may_name.iter().any(|allowed| allowed == other);
            if packages.ours.contains_key(other) && !allowed {
                found(format!("`{name}` names `{other}`, which its row does not allow"));
            }
        }
        for forbidden in &self.never {
            if let Some(way) = packages.way(package, forbidden) {
                found(format!("`{name}` must never lean on `{forbidden}`, and does: {}", way.join(" → ")));
            }
        }
    }
}

/// The packages in a cell: what stands in backticks, ours by their folders' names.
fn names(cell: &str) -> Vec<String> {
    const FOLDERS: [&str; 16] = [
        "api", "client", "console", "domain", "edge", "egress", "git", "keeper", "limits", "node", "openapi",
        "service", "store", "testkit", "verify", "wire",
    ];
    let spans = markdown::code_spans(cell).into_iter().map(|(_, span)| span);
    spans
        .map(|span| if FOLDERS.contains(&span.as_str()) { format!("claviger-{span}") } else { span })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keeper_does_not_reach_an_async_runtime_and_the_store_does() {
        let house = House::read().unwrap();
        let edges = Edges { line: 1, may_name: Vec::new(), never: vec!["tokio".to_owned()] };
        let mut findings = Vec::new();
        edges.check(&house.packages, "claviger-keeper", &mut findings);
        edges.check(&house.packages, "claviger-store", &mut findings);
        let said: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("`claviger-keeper` names `claviger-domain`"));
        assert!(said[1].contains("`claviger-store` names `claviger-domain`"));
        assert!(
            said[2].starts_with("`claviger-store` must never lean on `tokio`, and does: claviger-store → ")
        );
    }
}
