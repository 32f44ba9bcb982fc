//! One request: built step by step, then sent.

use std::fmt;

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Answer, Error, Problem, innermost};

/// How much of a strange answer is shown.
const SHOWN: usize = 200;

/// A request about to be sent.
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    request: RequestBuilder,
}

impl Call {
    pub(crate) const fn new(request: RequestBuilder) -> Self {
        Self { request }
    }

    /// Adds parameters to the address.
    pub fn query<Q: Serialize + ?Sized>(mut self, parameters: &Q) -> Self {
        self.request = self.request.query(parameters);
        self
    }

    /// Sends this as a JSON body.
    pub fn body<B: Serialize + ?Sized>(mut self, body: &B) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Sends these bytes as a body of this content type.
    pub fn raw_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.request = self.request.header(header::CONTENT_TYPE, content_type).body(body);
        self
    }

    /// A repetition under the same key never acts twice.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Refused (`precondition_failed`) unless the object is still this version of it.
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", etag)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Sends the request and reads the JSON answer.
    pub async fn send<T: DeserializeOwned>(self) -> Result<Answer<T>, Error> {
        let response = self.send_raw().await?;
        let (url, status, headers) =
            (response.url().to_string(), response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(|error| unreachable_server(&url, &error))?;
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let body = serde_json::from_slice(text).map_err(|error| Error::Strange {
            url,
            status,
            detail: format!("{error}; the answer was {:?}", beginning(&bytes)),
        })?;
        Ok(Answer::new(status, &headers, body))
    }

    /// Sends the request and hands out the good answer unread: for what is not JSON.
    pub async fn send_raw(self) -> Result<Response, Error> {
        let (client, request) = self.request.build_split();
        let request = request.map_err(|error| Error::Address(innermost(&error)))?;
        let url = request.url().to_string();
        let response = client.execute(request).await.map_err(|error| unreachable_server(&url, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(url, response).await) }
    }
}

/// Shows method and address, never a header or the body.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request.try_clone().and_then(|request| request.build().ok());
        let shown = request.map(|request| format!("{} {}", request.method(), request.url()));
        f.debug_tuple("Call").field(&shown).finish()
    }
}

async fn refusal(url: String, response: Response) -> Error {
    let status = response.status();
    let bytes = match response.bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return unreachable_server(&url, &error),
    };
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => Error::Refused(Box::new(problem)),
        Err(_) => Error::Strange { url, status: status.as_u16(), detail: strange(status, &bytes) },
    }
}

fn strange(status: StatusCode, bytes: &[u8]) -> String {
    if status.is_redirection() {
        return "it redirects, and redirects are not followed: take the address that it leads to".to_owned();
    }
    format!("the answer was {:?}", beginning(bytes))
}

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
}

fn unreachable_server(url: &str, error: &reqwest::Error) -> Error {
    let url = url.to_owned();
    if error.is_timeout() && !error.is_connect() {
        Error::TimedOut { url }
    } else {
        Error::Unreachable { url, cause: innermost(error) }
    }
}
