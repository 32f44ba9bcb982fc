//! Both books side by side: what the keeper opened, and what the log says was revealed.

use std::collections::{HashMap, HashSet};

use claviger_domain::time::Timestamp;

use super::Opening;

/// A reveal as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reveal {
    pub position: u64,
    pub actor: String,
}

/// Where the books disagree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Opened, and the log has no reveal by that actor at that position: somebody used the keeper and hid
    /// it, or the log was cut.
    pub unlogged: Vec<(Timestamp, Opening)>,
    /// Opened again under an event that already stood for the very same value.
    pub repeated: Vec<(Timestamp, Opening)>,
    /// Positions of reveals that the keeper never opened: it was away, or at a ceiling, or its journal was
    /// cut.
    pub not_opened: Vec<u64>,
}

impl Differences {
    /// Whether the keeper opened nothing that the log does not tell.
    pub fn all_openings_are_logged(&self) -> bool {
        self.unlogged.is_empty() && self.repeated.is_empty()
    }
}

/// Compares the keeper's openings with the log's reveals, both of one database.
pub fn compare(openings: &[(Timestamp, Opening)], reveals: &[Reveal]) -> Differences {
    let logged: HashMap<u64, &str> =
        reveals.iter().map(|reveal| (reveal.position, reveal.actor.as_str())).collect();
    let mut differences = Differences::default();
    let mut seen = HashSet::new();
    let mut opened = HashSet::new();
    for (at, opening) in openings {
        opened.insert(opening.position);
        if logged.get(&opening.position).copied() != Some(opening.actor.as_str()) {
            differences.unlogged.push((*at, opening.clone()));
        } else if !seen.insert((opening.position, &opening.table, &opening.row, &opening.column)) {
            differences.repeated.push((*at, opening.clone()));
        }
    }
    differences.not_opened =
        reveals.iter().map(|reveal| reveal.position).filter(|position| !opened.contains(position)).collect();
    differences.not_opened.sort_unstable();
    differences
}

#[cfg(test)]
mod tests {
    use super::super::Fact;
    use super::super::chain::tests::opened;
    use super::*;

    fn opening(position: u64, actor: &str) -> (Timestamp, Opening) {
        let Fact::Opened(opening) = opened(position, actor) else { panic!("an opening") };
        (Timestamp::MIN, opening)
    }

    fn reveal(position: u64, actor: &str) -> Reveal {
        Reveal { position, actor: actor.into() }
    }

    #[test]
    fn books_that_agree_show_no_differences() {
        let openings = [opening(4, "mbr_a"), opening(9, "svk_b")];
        let differences = compare(&openings, &[reveal(9, "svk_b"), reveal(4, "mbr_a")]);
        assert_eq!(differences, Differences::default());
        assert!(differences.all_openings_are_logged());
    }

    #[test]
    fn each_disagreement_is_named() {
        let (mut secret, twice) = (opening(4, "mbr_a"), opening(4, "mbr_a"));
        secret.1.column = "secret".into();
        let openings = [opening(4, "mbr_a"), secret, twice.clone(), opening(5, "mbr_b"), opening(6, "mbr_a")];
        let differences = compare(&openings, &[reveal(4, "mbr_a"), reveal(5, "mbr_a"), reveal(7, "mbr_a")]);
        assert_eq!(differences.repeated, [twice], "two columns of one row are two values");
        assert_eq!(differences.unlogged, [opening(5, "mbr_b"), opening(6, "mbr_a")]);
        assert_eq!(differences.not_opened, [7]);
        assert!(!differences.all_openings_are_logged());
    }
}
