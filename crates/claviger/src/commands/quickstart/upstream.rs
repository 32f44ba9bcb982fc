//! The sample upstream: a company's API in a few lines. It answers with who it was told is calling.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Json;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A running sample upstream; ends when dropped.
#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    serving: Option<AbortHandle>,
}

/// Starts it on a loopback port of the system's choice.
pub(super) async fn start() -> std::io::Result<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer);
    let serving = tokio::spawn(async move {
        // It ends with the process; until then it goes on accepting by itself.
        let _ = axum::serve(listener, router).await;
    });
    Ok(Upstream { address, serving: Some(serving.abort_handle()) })
}

impl Upstream {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets it go on until the process ends.
    pub(super) fn go_on(mut self) {
        self.serving = None;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Json<Value> {
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Json(json!({
        "hello": "from the sample upstream",
        "method": method.as_str(),
        "path": uri.path(),
        "application": told("x-claviger-application"),
        "environment": told("x-claviger-environment"),
    }))
}
