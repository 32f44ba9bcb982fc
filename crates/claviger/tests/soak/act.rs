//! One act on the REST API, sent until it is answered.

use std::time::Duration;

use claviger_client::reqwest::Method;
use claviger_client::{Answer, Client, Error};
use serde_json::Value;

const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Act {
    method: Method,
    path: String,
    body: Value,
}

impl Act {
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self { method: Method::POST, path: path.into(), body: Value::Object(Default::default()) }
    }

    pub(crate) fn put(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PUT, path: path.into(), body }
    }

    pub(crate) fn patch(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::PATCH, path: path.into(), body }
    }

    /// While nobody knows whether it happened it is sent again, under the key that makes it happen once.
    pub(crate) async fn done(&self, client: &Client, idempotency_key: &str) -> Answer<Value> {
        loop {
            let call = client.call(self.method.clone(), &self.path).body(&self.body);
            match call.idempotency_key(idempotency_key).send::<Value>().await {
                Ok(answer) => return answer,
                Err(error) if is_no_answer(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => panic!("{self:?}: {error}"),
            }
        }
    }
}

fn is_no_answer(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } => true,
        Error::Refused(problem) => problem.status == 503,
        _ => false,
    }
}
