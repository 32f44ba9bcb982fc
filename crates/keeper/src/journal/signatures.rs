//! Signatures beside the log. A signature has no event of its own; the pair that signed has.

use std::collections::HashMap;

use claviger_domain::key_pairs::KeyUse;
use claviger_domain::time::Timestamp;

use super::Signing;

/// A job that was under way when its pair was deleted may sign a moment later.
const GRACE_SECONDS: i64 = 3_600;

/// A pair as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPair {
    /// Its row.
    pub row: String,
    pub uses: Vec<KeyUse>,
    pub deleted: Option<Timestamp>,
}

/// What is wrong about a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The log never heard of the pair: somebody used the keeper behind its back, or the log was cut.
    UnknownPair,
    /// The pair may not be used for that.
    OtherUse,
    /// The pair had been deleted an hour before, or longer: its row came from a copy.
    Deleted { at: Timestamp },
}

/// The signatures that the log does not account for, each with what is wrong.
pub fn odd_signatures<'a>(
    signings: &'a [(Timestamp, Signing)],
    pairs: &[KnownPair],
) -> Vec<(Timestamp, &'a Signing, Oddity)> {
    let pairs: HashMap<&str, &KnownPair> = pairs.iter().map(|pair| (pair.row.as_str(), pair)).collect();
    let odd = |(at, signing): &'a (Timestamp, Signing)| {
        oddity(*at, signing, pairs.get(signing.row.as_str()).copied()).map(|oddity| (*at, signing, oddity))
    };
    signings.iter().filter_map(odd).collect()
}

fn oddity(at: Timestamp, signing: &Signing, pair: Option<&KnownPair>) -> Option<Oddity> {
    let Some(pair) = pair else { return Some(Oddity::UnknownPair) };
    match pair.deleted {
        _ if !pair.uses.contains(&signing.key_use) => Some(Oddity::OtherUse),
        Some(deleted) if at.seconds_since(deleted) >= GRACE_SECONDS => Some(Oddity::Deleted { at: deleted }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus_seconds(second)
    }

    fn signing(row: &str, key_use: KeyUse, second: i64) -> (Timestamp, Signing) {
        let part = || "part".to_owned();
        let signing = Signing {
            key_use,
            actor: "mbr_a".into(),
            database: part(),
            table: part(),
            row: row.into(),
            column: part(),
            subject: part(),
            digest: part(),
            host: None,
        };
        (at(second), signing)
    }

    #[test]
    fn each_signature_needs_a_pair_of_the_log_that_may_be_used_so() {
        let pair = |row: &str, key_use, deleted| KnownPair { row: row.into(), uses: vec![key_use], deleted };
        let pairs = [pair("kp_1", KeyUse::Jwt, None), pair("kp_2", KeyUse::Git, Some(at(0)))];
        let signings = [
            signing("kp_1", KeyUse::Jwt, 0),
            signing("kp_1", KeyUse::Git, 1),
            signing("kp_2", KeyUse::Git, -9),
            signing("kp_2", KeyUse::Git, 3_599),
            signing("kp_2", KeyUse::Git, 3_600),
            signing("kp_3", KeyUse::Jwt, 2),
        ];
        let odd = odd_signatures(&signings, &pairs);
        let found: Vec<_> = odd.iter().map(|(_, signing, oddity)| (signing.row.as_str(), *oddity)).collect();
        assert_eq!(
            found,
            [
                ("kp_1", Oddity::OtherUse),
                ("kp_2", Oddity::Deleted { at: at(0) }),
                ("kp_3", Oddity::UnknownPair),
            ]
        );
    }
}
