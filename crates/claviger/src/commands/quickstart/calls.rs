//! The two calls, made as a gateway makes them: ask forward-auth, and pass the call on only if it may.

use std::fmt::Write as _;

use anyhow::Context as _;
use claviger_client::reqwest::{self, StatusCode};

use super::access::Access;
use super::tour::{API, Tour};

/// The headers that tell the upstream who calls.
const IDENTITY: &[&str] = &["x-claviger-application", "x-claviger-key-id", "x-claviger-environment"];

/// What came of both.
pub(super) struct Calls {
    good: Called,
    bad: Called,
}

/// What came of one.
struct Called {
    status: StatusCode,
    code: String,
    /// What the upstream answered, if the call was passed on.
    upstream: Option<String>,
}

impl Calls {
    pub(super) async fn make(url: &str, tour: &Tour, upstream: &str) -> anyhow::Result<Self> {
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self {
            good: call(&http, url, Some(tour.key.expose()), upstream).await.context("the good call")?,
            bad: call(&http, url, None, upstream).await.context("the bad call")?,
        })
    }

    /// The good one passed, the bad one did not.
    pub(super) fn are_as_they_should(&self) -> bool {
        let passed = self.good.status == StatusCode::OK && self.good.upstream.is_some();
        passed && self.bad.status == StatusCode::UNAUTHORIZED && self.bad.upstream.is_none()
    }

    /// What a person reads.
    pub(super) fn told(&self, url: &str, tour: &Tour, access: &Access, upstream: &str) -> String {
        let key = tour.key.expose();
        let mut text = String::new();
        let _ = writeln!(text, "Claviger serves {url} (its REST API in pages: {url}/docs).\n");
        let made = if tour.again { "Found again, with a new key:" } else { "Made:" };
        let _ = writeln!(
            text,
            "{made} the API `{API}` in front of {upstream}, the Application `Quickstart` ({}),\nits Subscription in \
             `sandbox`, and the Key Set {}.\n",
            tour.application_id, tour.key_set_id
        );
        let _ = writeln!(text, "A good call, with the key: {}", self.good.told());
        let _ = writeln!(text, "A bad call, without one:   {}\n", self.bad.told());
        let _ = writeln!(text, "To repeat them:\n");
        let _ = writeln!(text, "  curl -i '{url}/v1/forward-auth?api={API}' -H 'X-API-Key: {key}'");
        let _ = writeln!(text, "  curl -i '{url}/v1/forward-auth?api={API}'\n");
        let lasts =
            if access.first { "all permissions; not shown again" } else { "all permissions, for a day" };
        let _ = writeln!(text, "To go on from a shell, with a service key ({lasts}):\n");
        let _ = writeln!(text, "  export CLAVIGER_URL={url} CLAVIGER_KEY={}", access.key.expose());
        let _ = writeln!(text, "  claviger key-sets show {}", tour.key_set_id);
        let _ = writeln!(text, "  claviger key-sets suspend {}\n", tour.key_set_id);
        text
    }
}

impl Called {
    fn told(&self) -> String {
        let upstream = self.upstream.as_ref().map(|answer| format!(", and the upstream said {answer}"));
        format!("{} ({}){}", self.status.as_u16(), self.code, upstream.unwrap_or_default())
    }
}

/// One call as a gateway makes it.
async fn call(
    http: &reqwest::Client,
    url: &str,
    key: Option<&str>,
    upstream: &str,
) -> anyhow::Result<Called> {
    let mut asked = http.get(format!("{url}/v1/forward-auth?api={API}"));
    if let Some(key) = key {
        asked = asked.header("x-api-key", key);
    }
    let answer = asked.send().await?;
    let header =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, code) = (answer.status(), header("x-claviger-code").unwrap_or_default());
    let mut passed = None;
    if status.is_success() {
        let mut request = http.get(format!("{upstream}/hello"));
        for name in IDENTITY {
            if let Some(value) = answer.headers().get(*name) {
                request = request.header(*name, value.clone());
            }
        }
        passed = Some(request.send().await?.error_for_status()?.text().await?);
    }
    Ok(Called { status, code, upstream: passed })
}
