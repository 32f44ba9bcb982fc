//! Git's conversation with a host, as both sides have spoken it since 2005 (protocol version 0, gitprotocol-pack).
//! This is our half: what is asked for, and the little of the answers that counts. What is in a pack is none of its
//! business.

mod advertisement;
mod fetching;
mod packets;
mod pushing;

pub(crate) use advertisement::{Advertisement, Service};
pub(crate) use fetching::fetch;
pub(crate) use packets::{Broken, Packets};
pub(crate) use pushing::{Report, push};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAIN: &str = "refs/heads/main";

    /// What a well-behaved host says to both questions.
    fn answers() -> Vec<u8> {
        let id = "a".repeat(40);
        let abilities = "report-status side-band-64k shallow filter object-format=sha1";
        let first = format!("{id} {MAIN}\0{abilities}\n");
        let rest = "0008NAK\n000a\x01PACK!0008\x02so\n0000";
        format!("{:04x}{first}00000000{rest}", first.len() + 4).into_bytes()
    }

    /// Both conversations with a host that says this. They end, with an answer or an error.
    fn converse(said: &[u8]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (mut from, mut to, mut pack) = (Packets::new(said), Vec::new(), Vec::new());
            if let Ok(read) = Advertisement::read(&mut from, MAIN, 1_000).await
                && let Some(tip) = &read.tip
            {
                let _ = fetch((&mut to, &mut from), &read, tip, 10, 100, &mut pack).await;
                assert!(pack.len() <= 100, "no more than is allowed");
                let _ = push((&mut to, &mut from), &read, (tip, tip), MAIN, b"PACK").await;
            }
        });
    }

    #[tokio::test]
    async fn the_answers_that_are_changed_below_are_good_ones() {
        let said = answers();
        let (mut from, mut pack) = (Packets::new(&said[..]), Vec::new());
        let read = Advertisement::read(&mut from, MAIN, 1_000).await.expect("a list");
        let tip = read.tip.clone().expect("the branch");
        let pipes = (&mut Vec::new(), &mut from);
        fetch(pipes, &read, &tip, 10, 100, &mut pack).await.expect("a pack");
        assert_eq!(pack, b"PACK!");
    }

    proptest! {
        #[test]
        fn whatever_a_host_says_is_an_answer_or_an_error(said: Vec<u8>) {
            converse(&said);
        }

        #[test]
        fn whatever_is_changed_in_an_answer_it_is_an_answer_or_an_error(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut said = answers();
            for (at, byte) in changes {
                let at = at.index(said.len());
                said[at] = byte;
            }
            let behind = cut.index(said.len());
            converse(&said);
            converse(&said[..behind]);
        }
    }
}
