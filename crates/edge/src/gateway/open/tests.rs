//! What goes on between a call's decision, its place among the open ones, and its end.

use std::net::Ipv4Addr;

use claviger_domain::peers::TrustedPeers;
use claviger_limits::Limiter;
use claviger_verify::{Failures, Index, Meters};
use http::HeaderMap;

use super::*;
use crate::decider::Call;

/// One that knows nothing, and refuses all.
fn decider() -> Decider {
    let (index, meters) = (Arc::new(Index::new(60)), Arc::new(Meters::default()));
    let clock = Arc::new(|| Timestamp::from_micros(0));
    let failures = Arc::new(Failures::new(1_000));
    Decider::new(index, meters, failures, Limiter::alone(), TrustedPeers::new(Vec::new()), clock)
}

async fn open(calls: &Arc<OpenCalls>, decider: &Decider) -> Arc<OpenCall> {
    let (headers, peer) = (HeaderMap::new(), Ipv4Addr::LOCALHOST.into());
    let call = Call { headers: &headers, peer, api: "orders", environment: None, permissions: &[] };
    decider.decide(&call, |decided| calls.open("orders", decided, None)).await
}

#[tokio::test]
async fn a_call_that_ends_while_it_is_looked_at_is_let_go_of() {
    let calls = Arc::new(OpenCalls::default());
    let call = open(&calls, &decider()).await;
    let number = call.number;
    let last = Mutex::new(Some(call));
    let (told, left) = std::sync::mpsc::channel();
    let looked_at = Arc::clone(&calls);
    std::thread::spawn(move || {
        let picked = picked(looked_at.shard(number), |_| {
            drop(last.lock().take());
            false
        });
        told.send(picked.len())
    });
    assert_eq!(left.recv_timeout(Duration::from_secs(20)).expect("nobody waits for itself"), 0);
    assert!(calls.shard(number).lock().is_empty());
}

#[tokio::test]
async fn a_call_is_judged_once_after_it_was_opened_although_nothing_changes_any_more() {
    let (calls, decider) = (Arc::new(OpenCalls::default()), decider());
    // As if it had been let in by what the index knew before.
    let call = open(&calls, &decider).await;
    calls.judge(&decider, None, decider.now(), false).await;
    assert_eq!(call.refused(), Some(Code::Stale));
    assert!(call.cut().is_cancelled());
}
