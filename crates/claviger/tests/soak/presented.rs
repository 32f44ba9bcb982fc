//! A credential as its holder presents it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Presented {
    key: Arc<str>,
    secret: Option<Arc<str>>,
    basic: bool,
}

impl Presented {
    /// As the answer told it that issued it; None: it told nothing.
    pub(crate) fn told(credentials: &Value, basic: bool) -> Option<Self> {
        let key = credentials["key"].as_str()?.into();
        let secret = credentials["secret"].as_str().map(Into::into);
        Some(Self { key, secret, basic })
    }

    pub(crate) const fn is_basic(&self) -> bool {
        self.basic
    }

    /// In the header of a call.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let secret = self.secret.as_deref().unwrap_or_default();
        if self.basic {
            let pair = STANDARD.encode(format!("{}:{secret}", self.key));
            return vec![("authorization", format!("Basic {pair}"))];
        }
        let mut headers = vec![("x-api-key", (*self.key).to_owned())];
        if self.secret.is_some() {
            headers.push(("x-api-secret", secret.to_owned()));
        }
        headers
    }

    /// In a question to REST verify.
    pub(crate) fn json(&self) -> Value {
        match &self.secret {
            Some(secret) => json!({ "key": &*self.key, "secret": &**secret }),
            None => json!({ "key": &*self.key }),
        }
    }
}
