//! The Rust client of Claviger's REST API: what the command line and the tests call it with.
//!
//! One [`Client`] per server and service key; a [`Call`] per request; a refusal is an
//! [`Error::Refused`] with the server's own [`Problem`]. It follows no redirect, takes no proxy from the
//! environment to reach loopback, and waits for nothing longer than its time limit. It retries nothing:
//! who wants to repeat a write gives it an `Idempotency-Key`.

mod answer;
mod call;
mod error;
mod pages;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect;
use reqwest::{Method, Url};

pub use answer::{Answer, Nothing};
pub use call::Call;
pub use error::{Error, FieldProblem, Problem};
pub use pages::{Page, Pages};
pub use reqwest;

/// How long a request may take as a whole; the server gives up sooner.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A server, and the service key to call it with. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at `url`: `http://` or `https://`, perhaps with a path under which a reverse
    /// proxy has it.
    pub fn new(url: &str) -> Result<Self, Error> {
        let base = base(url)?;
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(TIME_LIMIT)
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Address(innermost(&error)))?;
        Ok(Self { http, base, authorization: None })
    }

    /// The same server, called with this service key.
    pub fn with_key(mut self, key: &str) -> Result<Self, Error> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| Error::Key)?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Where the server is, without a slash at the end.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Begins a request to a path such as `/v1/apis`.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}{path}"));
        let mut request = self.http.request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, authorization.clone());
        }
        Call::new(request)
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Call {
        self.call(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// The pages of a list, from the first.
    pub fn pages(&self, path: &str, query: Vec<(String, String)>) -> Pages {
        Pages::new(self.clone(), path.to_owned(), query)
    }
}

/// Shows where the server is, never the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url()).finish_non_exhaustive()
    }
}

fn base(url: &str) -> Result<Url, Error> {
    let url = Url::parse(url.trim()).map_err(|error| Error::Address(error.to_string()))?;
    let refuse = |why: &str| Err(Error::Address(why.to_owned()));
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return refuse("it must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it must hold no user and no password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("it must have neither ? nor #");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The cause at the bottom of an error, which says what a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (right, shown) in [
            ("http://127.0.0.1:7700", "http://127.0.0.1:7700"),
            ("https://keys.example.com/claviger/", "https://keys.example.com/claviger"),
            (" http://[::1]:7700/ ", "http://[::1]:7700"),
        ] {
            assert_eq!(Client::new(right).expect(right).url(), shown);
        }
        for wrong in
            ["", "127.0.0.1:7700", "ftp://a", "http://a:b@c", "http://a?b", "http://a#b", "file:///x"]
        {
            assert!(matches!(Client::new(wrong), Err(Error::Address(_))), "{wrong}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&base(url).expect(url)), loopback, "{url}");
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let client = Client::new("http://127.0.0.1:7700").and_then(|client| client.with_key("clv_svc_x"));
        let client = client.expect("a client");
        assert!(!format!("{client:?}").contains("clv_svc"), "{client:?}");
        assert!(!format!("{:?}", client.get("/v1/apis")).contains("clv_svc"));
        assert!(matches!(client.with_key("a\nb"), Err(Error::Key)));
    }
}
