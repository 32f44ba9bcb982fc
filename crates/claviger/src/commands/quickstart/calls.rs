//! The two calls, made as a caller makes them: through the gateway.

use std::fmt::Write as _;

use anyhow::Context as _;
use claviger_client::reqwest::{self, StatusCode};

use super::access::Access;
use super::tour::{API, Tour};
use crate::environment;

/// Where everything is.
#[derive(Clone, Copy)]
pub(super) struct Servers<'a> {
    pub(super) url: &'a str,
    pub(super) gateway: &'a str,
    pub(super) upstream: &'a str,
}

/// What came of both.
pub(super) struct Calls {
    good: Called,
    bad: Called,
}

/// What came of one.
struct Called {
    status: StatusCode,
    /// Why it was not passed on, if it was not.
    code: Option<String>,
    /// What the upstream answered, if the call was passed on.
    upstream: Option<String>,
}

impl Calls {
    /// Through the gateway at this address.
    pub(super) async fn make(gateway: &str, tour: &Tour) -> anyhow::Result<Self> {
        let address = format!("{gateway}/{API}/hello");
        let http =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self {
            good: call(&http, &address, Some(tour.key.expose())).await.context("the good call")?,
            bad: call(&http, &address, None).await.context("the bad call")?,
        })
    }

    /// The good one passed, the bad one did not.
    pub(super) fn are_as_they_should(&self) -> bool {
        let passed = self.good.status == StatusCode::OK && self.good.upstream.is_some();
        passed && self.bad.status == StatusCode::UNAUTHORIZED && self.bad.upstream.is_none()
    }

    /// What a person reads.
    pub(super) fn told(&self, servers: Servers<'_>, tour: &Tour, access: &Access) -> String {
        let Servers { url, gateway, upstream } = servers;
        let key = tour.key.expose();
        let mut text = String::new();
        let _ = writeln!(text, "Claviger serves {url} (its REST API in pages: {url}/docs),");
        let _ = writeln!(text, "and passes on what may be called at {gateway}.\n");
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
        let _ = writeln!(text, "  curl -i {gateway}/{API}/hello -H 'X-API-Key: {key}'");
        let _ = writeln!(text, "  curl -i {gateway}/{API}/hello\n");
        let lasts =
            if access.first { "all permissions; not shown again" } else { "all permissions, for a day" };
        let _ = writeln!(text, "To go on from a shell, with a service key ({lasts}):\n");
        let _ = writeln!(text, "  export CLAVIGER_URL={url} CLAVIGER_KEY={}", access.key.expose());
        let claviger = environment::own_command();
        let _ = writeln!(text, "  {claviger} key-sets show {}", tour.key_set_id);
        let _ = writeln!(text, "  {claviger} key-sets suspend {}\n", tour.key_set_id);
        text
    }
}

impl Called {
    fn told(&self) -> String {
        let status = self.status.as_u16();
        match (&self.upstream, &self.code) {
            (Some(answer), _) => format!("{status}, and the upstream said {answer}"),
            (None, code) => format!("{status} ({})", code.as_deref().unwrap_or_default()),
        }
    }
}

/// One call, as anybody makes it.
async fn call(http: &reqwest::Client, address: &str, key: Option<&str>) -> anyhow::Result<Called> {
    let mut request = http.get(address);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let answer = request.send().await?;
    let code = answer.headers().get("x-claviger-code").and_then(|value| value.to_str().ok());
    let (status, code) = (answer.status(), code.map(str::to_owned));
    // A refusal is the gateway's own, and says why; what says nothing of the kind is the upstream's.
    let upstream = if code.is_none() { Some(answer.text().await?) } else { None };
    Ok(Called { status, code, upstream })
}
