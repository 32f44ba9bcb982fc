//! A window of the browser: as much of the WebDriver protocol (W3C), and of what Chromium adds to it, as is
//! needed to look at a page.

use std::time::Duration;

use claviger_client::reqwest::{Client, Method};
use claviger_testkit::Browser;
use serde_json::{Value, json};

/// How long a page may take to be what it should be: far beyond what it needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// One session of a browser. It ends with the [`Browser`].
pub(super) struct Window {
    http: Client,
    session: String,
}

impl Window {
    pub(super) async fn open(browser: &Browser) -> Self {
        let http = Client::new();
        let capabilities = json!({ "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": browser.options(),
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        }});
        let begin = Self { http, session: browser.url() };
        let begun = begin.post("/session", &json!({ "capabilities": capabilities })).await;
        let session = format!("{}/session/{}", browser.url(), begun["sessionId"].as_str().unwrap());
        Self { session, ..begin }
    }

    /// As wide and high as some device, whose owner likes it `light` or `dark`.
    pub(super) async fn resize(&self, (width, height): (u32, u32), scheme: &str) {
        let mobile = width < 500;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    pub(super) async fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    /// What a script in the page returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until a script returns true.
    pub(super) async fn wait_until(&self, what: &str, script: &str) {
        let waiting = async {
            while self.run(script).await != json!(true) {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(
            waited.is_ok(),
            "not {what} within {PATIENCE:?}: {}",
            self.run("return document.body.innerText").await
        );
    }

    /// What the browser's console has said since it was last asked: the level, and the message.
    pub(super) async fn console(&self) -> Vec<(String, String)> {
        let entry = |entry: &Value| (text(&entry["level"]), text(&entry["message"]));
        self.log("browser").await.iter().map(entry).collect()
    }

    /// Every address that was asked for since it was last asked.
    pub(super) async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let events =
            entries.iter().map(|entry| serde_json::from_str::<Value>(&text(&entry["message"])).unwrap());
        events
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent")
            .map(|event| text(&event["message"]["params"]["request"]["url"]))
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        self.post("/se/log", &json!({ "type": kind })).await.as_array().unwrap().clone()
    }

    async fn chromium(&self, command: &str, parameters: Value) {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await;
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.http.request(Method::POST, format!("{}{path}", self.session)).json(body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let value = &answer["value"];
        assert!(value["error"].is_null(), "{path}: {value}");
        value.clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
