//! Limits across nodes, through a real Redis: exact while it is there, and each node by itself while it is away,
//! frozen, or talks nonsense.

mod scene;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_domain::decision::Code;
use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_testkit::{Redis, free_port};

use scene::{Node, wait_until};

fn per_hour(limit: u32) -> CallLimits {
    let rate = RateLimit { limit, per: RatePeriod::Hour, burst: limit };
    CallLimits { rate_limit: Some(rate), quota: None }
}

fn per_month(limit: u32) -> CallLimits {
    CallLimits { rate_limit: None, quota: Some(Quota { limit, per: QuotaPeriod::Month }) }
}

/// Two nodes of one Redis.
async fn two(redis: &Redis, limits: CallLimits) -> [Node; 2] {
    [Node::sharing(&redis.url(), limits).await, Node::sharing(&redis.url(), limits).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_together_let_exactly_so_many_pass() {
    let redis = Redis::start();
    let rate = RateLimit { limit: 1, per: RatePeriod::Hour, burst: 500 };
    let rate = CallLimits { rate_limit: Some(rate), quota: None };
    for (limits, code) in [(rate, Code::RateLimited), (per_month(500), Code::QuotaExceeded)] {
        let nodes = two(&redis, limits).await.map(Arc::new);
        let passed = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..100)
            .map(|caller| {
                let (node, passed) = (Arc::clone(&nodes[caller % 2]), Arc::clone(&passed));
                tokio::spawn(async move {
                    for _ in 0..32 {
                        let decided = node.call(1).await;
                        assert!(decided.allowed() || decided.code() == code, "{:?}", decided.code());
                        passed.fetch_add(usize::from(decided.allowed()), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no caller failed");
        }
        assert!(nodes.iter().all(|node| !node.limiter.is_cut_off()), "they counted together");
        assert_eq!(passed.load(Ordering::Relaxed), 500);
    }
}

#[tokio::test]
async fn what_one_node_used_the_other_knows() {
    let redis = Redis::start();
    let [one, other] = two(&redis, per_hour(10)).await;
    assert_eq!(one.call(7).await.allotment().map(|it| it.remaining), Some(3));
    let refused = other.call(4).await;
    assert_eq!(refused.code(), Code::RateLimited);
    let allotment = refused.allotment().expect("it is limited");
    assert_eq!((allotment.limit, allotment.remaining), (10, 3));
    assert!((1..=360).contains(&refused.retry_after_seconds().expect("it is told when")), "an hour has ten");
    assert_eq!(other.call(3).await.allotment().map(|it| it.remaining), Some(0));
    assert_eq!(one.call(1).await.code(), Code::RateLimited);
}

#[tokio::test]
async fn a_call_that_the_others_refuse_uses_up_nothing_here() {
    let mut redis = Redis::start();
    let [one, other] = two(&redis, per_month(10)).await;
    assert!(one.call(9).await.allowed());
    for _ in 0..20 {
        assert_eq!(other.call(2).await.code(), Code::QuotaExceeded);
    }
    redis.kill();
    assert!(other.call(1).await.allowed());
    assert_eq!(other.call(1).await.allotment().map(|it| it.remaining), Some(8), "of its own count");
}

#[tokio::test]
async fn a_rate_comes_back_by_the_servers_clock() {
    let redis = Redis::start();
    let rate = RateLimit { limit: 10, per: RatePeriod::Second, burst: 2 };
    let limits = CallLimits { rate_limit: Some(rate), quota: None };
    let [one, other] = two(&redis, limits).await;
    assert!(one.call(2).await.allowed());
    let began = Instant::now();
    // The nodes' own time stands still: what comes back, comes back at the server.
    while !other.call(1).await.allowed() {
        assert!(began.elapsed() < Duration::from_secs(10), "100 ms are a token");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(50));
}

#[tokio::test]
async fn windows_of_quotas_are_the_servers_utc_days_and_months() {
    let redis = Redis::start();
    for per in [QuotaPeriod::Day, QuotaPeriod::Month] {
        let limits = CallLimits { rate_limit: None, quota: Some(Quota { limit: 5, per }) };
        let node = Node::sharing(&redis.url(), limits).await;
        assert!(node.call(5).await.allowed());
        let seconds = redis_time(&redis);
        let now = claviger_domain::time::Timestamp::from_micros(seconds * 1_000_000);
        let ends = per.window(now).ends_at.seconds_since(now);
        let refused = node.on_a_fresh_node().await.call(1).await;
        let told = refused.retry_after_seconds().expect("it is refused");
        assert!(told.abs_diff(ends.unsigned_abs()) <= 5, "{told} s, and the window ends in {ends} s");
    }
}

fn redis_time(redis: &Redis) -> i64 {
    // The answer to TIME begins with how many lines it has.
    let script = "return tonumber(redis.call('TIME')[1])";
    let answer = redis.ask(&["EVAL", script, "0"]).expect("an answer");
    answer.trim_start_matches(':').parse().expect("a number")
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_sent_again() {
    let redis = Redis::start();
    let [one, other] = two(&redis, per_hour(3)).await;
    assert!(one.call(1).await.allowed());
    assert_eq!(redis.ask(&["SCRIPT", "FLUSH"]).as_deref(), Some("+OK"));
    assert!(other.call(2).await.allowed());
    assert_eq!(one.call(1).await.code(), Code::RateLimited);
    assert!(!one.limiter.is_cut_off() && !other.limiter.is_cut_off());
}

#[tokio::test]
async fn counters_go_by_themselves_and_a_password_is_given() {
    let redis = Redis::start_locked("hush");
    let node = Node::sharing(&redis.url(), per_hour(3_600)).await;
    assert!(!node.limiter.is_cut_off());
    assert!(node.call(1).await.allowed());
    let lasts = redis.ask(&["EVAL", "return redis.call('PTTL', redis.call('KEYS', '*own:hour*')[1])", "0"]);
    let lasts: i64 = lasts.expect("an answer").trim_start_matches(':').parse().expect("a number");
    assert!((1..=2_000).contains(&lasts), "a second's use is forgotten soon after it: {lasts} ms");
    let wrong = redis.url().replace("hush", "guess");
    assert!(Node::sharing(&wrong, per_hour(1)).await.limiter.is_cut_off());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_on_alone_when_it_is_killed_and_comes_back() {
    let mut redis = Redis::start();
    let node = Node::sharing(&redis.url(), per_hour(10)).await;
    assert!(node.call(4).await.allowed());
    redis.kill();
    assert_eq!(node.call(4).await.allotment().map(|it| it.remaining), Some(2), "it knows its own");
    assert!(node.limiter.is_cut_off());
    assert_eq!(node.call(3).await.code(), Code::RateLimited, "by its own count");
    redis.start_again();
    wait_until("together again", || !node.limiter.is_cut_off()).await;
    let fresh = node.on_a_fresh_node().await;
    assert!(fresh.call(9).await.allowed(), "the server forgot");
    assert_eq!(node.call(2).await.code(), Code::RateLimited, "and now counts for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_waits_long_for_a_server_that_is_frozen() {
    let redis = Redis::start();
    let node = Arc::new(Node::sharing(&redis.url(), per_hour(1_000)).await);
    redis.freeze();
    let began = Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { node.call(1).await.allowed() })
        })
        .collect();
    for call in calls {
        assert!(call.await.expect("it did not fail"));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "50 ms each, all at once: {:?}", began.elapsed());
    assert!(node.limiter.is_cut_off());
    let began = Instant::now();
    for _ in 0..100 {
        assert!(node.call(1).await.allowed());
    }
    assert!(began.elapsed() < Duration::from_millis(500), "from then on nobody waits: {:?}", began.elapsed());
    redis.thaw();
    wait_until("together again", || !node.limiter.is_cut_off()).await;
}

#[tokio::test]
async fn a_call_whose_caller_goes_while_others_are_asked_is_counted_once() {
    let redis = Redis::start();
    let node = Node::sharing(&redis.url(), per_hour(1_000)).await;
    let counted = || node.meters.decisions().filter(|(_, calls)| *calls > 0).collect::<Vec<_>>();
    assert!(node.call(1).await.allowed());
    assert_eq!(counted(), [(Code::Valid, 1)]);
    redis.freeze();
    let given_up = tokio::time::timeout(Duration::from_millis(5), node.call(1)).await;
    assert!(given_up.is_err(), "the server is frozen, and is waited for longer than this");
    assert_eq!(counted(), [(Code::Valid, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_asks_is_missed_too() {
    let redis = Redis::start();
    let node = Node::sharing(&redis.url(), per_hour(1_000)).await;
    redis.freeze();
    wait_until("cut off", || node.limiter.is_cut_off()).await;
    redis.thaw();
    wait_until("together again", || !node.limiter.is_cut_off()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_counts_as_absent() {
    let answers: [&[u8]; 7] = [
        b"+OK\r\n",
        b"$-1\r\n",
        b"*3\r\n:0\r\n:5\r\n",
        b"*3\r\n:0\r\n:2000000000\r\n:0\r\n",
        b"*3\r\n:9\r\n:1000000000\r\n:0\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    for answer in answers {
        let port = free_port();
        answer_always(TcpListener::bind(port.address()).expect("a port"), answer);
        let node = Node::sharing(&format!("redis://{}", port.address()), per_hour(2)).await;
        assert!(node.limiter.is_cut_off(), "{:?}", String::from_utf8_lossy(answer));
        assert!(node.call(1).await.allowed() && node.call(1).await.allowed());
        assert_eq!(node.call(1).await.code(), Code::RateLimited, "it counts by itself");
    }
}

/// A server that says one and the same to whatever it is asked, for as long as the process lasts.
fn answer_always(listener: TcpListener, answer: &'static [u8]) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut buffer = [0; 4_096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn what_is_no_longer_ours_is_nonsense_while_it_is_asked() {
    let redis = Redis::start();
    let [one, other] = two(&redis, per_hour(5)).await;
    assert!(one.call(1).await.allowed());
    // Somebody else's text stands where the counter stood.
    let overwrite = "local k = redis.call('KEYS', '*own:hour*')[1]; redis.call('DEL', k); redis.call('SET', k, 'x'); return 1";
    assert_eq!(redis.ask(&["EVAL", overwrite, "0"]).as_deref(), Some(":1"));
    assert!(other.call(1).await.allowed(), "by its own count");
    assert!(other.limiter.is_cut_off());
}

#[tokio::test]
async fn who_is_bound_by_nothing_asks_nobody() {
    let port = free_port();
    let node = Node::sharing(&format!("redis://{}", port.address()), CallLimits::default()).await;
    let decided = node.call(1_000_000_000).await;
    assert!(decided.allowed() && decided.allotment().is_none());
    assert!(node.limiter.own().is_empty());
}
