//! Connecting, with real sockets on loopback: what is refused gets no packet, and a name that says something
//! else when it is asked again is not asked again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use claviger_egress::{Addresses, Egress, Error, Purpose, Reason, Resolve, Rules};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(5);

/// A name server that answers with the next of its lists each time; the last one for ever.
struct Rebinding {
    answers: Vec<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Rebinding {
    fn new(answers: &[&[SocketAddr]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Rebinding {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Addresses<'a> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers[asked.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

async fn nobody_came(listener: &TcpListener) -> bool {
    tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err()
}

#[tokio::test]
async fn what_was_judged_is_what_is_connected_to() {
    let (good, good_address) = listener().await;
    let (own, own_address) = listener().await;
    let resolver = Rebinding::new(&[&[good_address], &[own_address]]);
    let rules = Rules { own_listeners: vec![own_address], ..Rules::default() };
    let egress = Egress::with_resolver(rules, Arc::clone(&resolver) as Arc<dyn Resolve>);
    let stream = egress.connect(Purpose::Upstream, "orders.test", 80, PATIENCE).await.expect("a connection");
    assert_eq!(stream.peer_addr().expect("a peer"), good_address);
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1, "resolved once");
    good.accept().await.expect("it came");
    let refused = egress.connect(Purpose::Upstream, "orders.test", 80, PATIENCE).await;
    assert!(matches!(refused, Err(Error::Refused { reason: Reason::OwnListener, .. })), "{refused:?}");
    assert!(nobody_came(&own).await, "not one packet");
}

#[tokio::test]
async fn of_several_addresses_the_refused_are_left_out_and_the_dead_passed_over() {
    let (_good, good_address) = listener().await;
    let (own, own_address) = listener().await;
    let (dead, dead_address) = listener().await;
    drop(dead);
    let resolver = Rebinding::new(&[&[own_address, dead_address, good_address]]);
    let rules = Rules { own_listeners: vec![own_address], ..Rules::default() };
    let egress = Egress::with_resolver(rules, resolver);
    let stream = egress.connect(Purpose::Upstream, "orders.test", 80, PATIENCE).await.expect("a connection");
    assert_eq!(stream.peer_addr().expect("a peer"), good_address);
    assert!(nobody_came(&own).await);
}

#[tokio::test]
async fn a_program_that_connects_by_itself_is_told_the_addresses_that_may_be_reached_and_no_other() {
    let addresses: [SocketAddr; 3] =
        ["127.0.0.1:22", "127.0.0.2:22", "169.254.169.254:22"].map(|text| text.parse().expect("an address"));
    let rules = Rules { allow: vec!["127.0.0.2/32".parse().expect("a network")], ..Rules::default() };
    let resolver = Rebinding::new(&[&addresses, &addresses[..1]]);
    let egress = Egress::with_resolver(rules, Arc::clone(&resolver) as Arc<dyn Resolve>);
    let told = egress.addresses(Purpose::Outside, "git.test", 22, PATIENCE).await.expect("an address");
    assert_eq!(told, [addresses[1]]);
    let refused = egress.addresses(Purpose::Outside, "git.test", 22, PATIENCE).await;
    assert!(matches!(refused, Err(Error::Refused { reason: Reason::Loopback, .. })), "{refused:?}");
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 2, "each time anew");
}

#[tokio::test]
async fn an_address_in_the_place_of_a_name_is_judged_likewise() {
    let (own, address) = listener().await;
    let egress = Egress::new(Rules { own_listeners: vec![address], ..Rules::default() });
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "::ffff:7f00:1"] {
        let refused = egress.connect(Purpose::Upstream, host, address.port(), PATIENCE).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{host}: {refused:?}");
    }
    let outside = egress.connect(Purpose::Outside, "localhost", address.port(), PATIENCE).await;
    assert!(matches!(outside, Err(Error::Refused { .. })), "{outside:?}");
    assert!(nobody_came(&own).await);
}

#[tokio::test]
async fn a_name_without_addresses_and_a_port_without_a_listener_are_told_apart() {
    let egress = Egress::with_resolver(Rules::default(), Rebinding::new(&[&[]]));
    let unresolved = egress.connect(Purpose::Upstream, "orders.test", 80, PATIENCE).await;
    assert!(matches!(unresolved, Err(Error::Unresolved { .. })), "{unresolved:?}");
    let (listener, address) = listener().await;
    drop(listener);
    let unreachable =
        Egress::new(Rules::default()).connect(Purpose::Upstream, "127.0.0.1", address.port(), PATIENCE).await;
    assert!(matches!(unreachable, Err(Error::Unreachable { .. })), "{unreachable:?}");
}
