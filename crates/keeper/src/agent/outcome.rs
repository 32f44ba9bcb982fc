//! What came of an agent: told to the parent over its leash, before the child hears of it.

/// What came of an agent, as the one who opened it learns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentOutcome {
    /// It signed.
    Signed,
    /// Nobody asked it to sign.
    Unasked,
    /// It was asked to sign what it is not for, or before the pinned host had proved itself.
    Refused,
    /// The ceiling of sign-ins is reached.
    TooManySignatures,
    /// The private half did not open, or the journal took no line.
    Unavailable,
    /// It ended before the child did: its time was over, or its keeper died.
    Ended,
}

/// Each outcome that is told, with the byte that tells it.
const WORDS: [(u8, AgentOutcome); 5] = [
    (1, AgentOutcome::Signed),
    (2, AgentOutcome::Unasked),
    (3, AgentOutcome::Refused),
    (4, AgentOutcome::TooManySignatures),
    (5, AgentOutcome::Unavailable),
];

impl AgentOutcome {
    /// The byte that tells it. An end is told by silence.
    pub(crate) fn word(self) -> Option<u8> {
        WORDS.iter().find(|(_, outcome)| *outcome == self).map(|(word, _)| *word)
    }

    /// What all that was told comes to: a signature, or else the last refusal.
    pub(crate) fn of_words(words: &[u8]) -> Option<Self> {
        let told = || words.iter().filter_map(|word| WORDS.iter().find(|(known, _)| known == word));
        let refused = told().rev().find(|(_, outcome)| *outcome != Self::Unasked);
        let signed = told().find(|(_, outcome)| *outcome == Self::Signed);
        signed.or(refused).or_else(|| told().next()).map(|(_, outcome)| *outcome)
    }
}
