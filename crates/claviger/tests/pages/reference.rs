//! The reference of the REST API at `/docs`.

use claviger_testkit::{Browser, Claviger};
use serde_json::Value;

use super::window::Window;

const DESK: (u32, u32) = (1440, 900);
const HAND: (u32, u32) = (390, 844);

/// The path and the summary of every operation in the document.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let told = paths.flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().values();
        operations.filter_map(move |one| Some((path.clone(), one["summary"].as_str()?.to_owned())))
    });
    told.collect()
}

async fn document(server: &str) -> Value {
    let answer = claviger_client::reqwest::get(format!("{server}/openapi.json")).await.unwrap();
    answer.json().await.unwrap()
}

async fn demand_a_whole_page(window: &Window, server: &str, operations: &[(String, String)]) {
    window.go(&format!("{server}/docs")).await;
    window.wait_until("drawn", "return document.body.textContent.includes('/v1/which-key')").await;
    let shown = window.run("return document.body.textContent").await;
    let shown = shown.as_str().unwrap();
    for (path, summary) in operations {
        assert!(shown.contains(path.as_str()), "{path} is not shown");
        assert!(shown.contains(summary.as_str()), "{path}: {summary:?} is not shown");
    }
    let beside = window.run("return document.documentElement.scrollWidth > window.innerWidth").await;
    assert_eq!(beside, false, "it must not scroll sideways");
}

async fn demand_peace(window: &Window, server: &str) {
    let bad = |(level, _): &(String, String)| matches!(level.as_str(), "SEVERE" | "WARNING");
    let complaints: Vec<_> = window.console().await.into_iter().filter(bad).collect();
    assert!(complaints.is_empty(), "the console says {complaints:?}");
    let requests = window.requests().await;
    assert!(requests.contains(&format!("{server}/openapi.json")), "{requests:?}");
    let own = |url: &String| url.starts_with(&format!("{server}/")) || url.starts_with("data:");
    let elsewhere: Vec<_> = requests.iter().filter(|url| !own(url)).collect();
    assert!(elsewhere.is_empty(), "it called {elsewhere:?}");
}

/// That the two demands above can fail: what the page's policy forbids is in the console, and is no request.
async fn demand_that_the_policy_holds(window: &Window, elsewhere: &str) {
    let script = format!("return fetch('{elsewhere}').then(() => 'let through', () => 'kept back')");
    assert_eq!(window.run(&script).await, "kept back");
    let console = window.console().await;
    let refused = |(level, message): &(String, String)| {
        level == "SEVERE" && message.contains("Content Security Policy")
    };
    assert!(console.iter().any(refused), "{console:?}");
}

#[tokio::test]
async fn the_reference_is_whole_quiet_and_at_home_on_every_screen() {
    let claviger = Claviger::new(env!("CARGO_BIN_EXE_claviger"));
    claviger.init();
    let server = claviger.serve();
    let operations = operations(&document(&server.url()).await);
    assert!(operations.len() > 90, "{}", operations.len());
    let browser = Browser::start();
    let window = Window::open(&browser).await;
    for scheme in ["light", "dark"] {
        for size in [DESK, HAND] {
            window.resize(size, scheme).await;
            demand_a_whole_page(&window, &server.url(), &operations).await;
            let drawn = window.run("return document.body.className").await;
            assert!(drawn.as_str().unwrap().contains(scheme), "{drawn}");
            demand_peace(&window, &server.url()).await;
        }
    }
    demand_that_the_policy_holds(&window, &browser.url()).await;
}
