//! `/openapi.json`, and `/docs`: a page that shows it, whole in the binary, calling nowhere else.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderValue, StatusCode};
use rust_embed::RustEmbed;

use crate::app::App;
use crate::refused::Refused;

/// The page's own files; versions and digests stand in its README.
#[derive(RustEmbed)]
#[folder = "assets/docs"]
struct Assets;

/// Scripts and calls: this server alone. The page's script writes its own styles.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Asked again each time, and answered 304 while it is the same.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(|| async { asset("page.html", "text/html; charset=utf-8") }))
        .route("/docs/setup.js", get(|| async { asset("setup.js", "text/javascript; charset=utf-8") }))
        .route("/docs/scalar.js", get(|| async { asset("scalar.js.gz", "text/javascript; charset=utf-8") }))
}

async fn document(State(app): State<App>) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ETAG, app.document.etag.clone()),
        (CACHE_CONTROL, REVALIDATE),
    ];
    (headers, app.document.text.clone()).into_response()
}

/// One of our files; `.gz` ones leave as they are, for the browser to unpack.
fn asset(name: &'static str, content_type: &'static str) -> Response {
    let Some(file) = Assets::get(name) else {
        return Refused::internal().because(format!("the file {name} is not in the binary")).into_response();
    };
    let etag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let mut response = (StatusCode::OK, file.data.into_owned()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, REVALIDATE);
    headers.extend(HeaderValue::try_from(etag).ok().map(|etag| (ETAG, etag)));
    if name.ends_with(".gz") {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
