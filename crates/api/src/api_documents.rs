//! `/v1/apis/{id}/openapi`: an API's own OpenAPI document, as it came, with its versions and its operations. Not
//! Claviger's, which is `openapi.rs`.

use axum::extract::{FromRequest, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claviger_service::{DocumentBytes, SentDocument};
use claviger_wire::Page;
use claviger_wire::api_documents as wire;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown};
use crate::app::{App, At};
use crate::asked::{Asked, IDEMPOTENCY_KEY};
use crate::body::{self, Sent};
use crate::refused::Refused;

/// The ceiling of documents (surface.md, "Limits").
const LIMIT: usize = 5 * body::MEBIBYTE;
/// Which version of the API's document this is.
const VERSION: HeaderName = HeaderName::from_static("claviger-document-version");
/// A document that a browser shows by mistake does nothing there.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");

pub(crate) fn routes() -> OpenApiRouter<App> {
    let own = OpenApiRouter::new().routes(routes!(read_openapi, put_openapi));
    own.routes(routes!(openapi_versions)).routes(routes!(openapi_operations))
}

/// A document on its way in.
pub(crate) struct Document(Sent<SentDocument>);

impl FromRequest<App> for Document {
    type Rejection = Refused;

    async fn from_request(request: Request<axum::body::Body>, app: &App) -> Result<Self, Refused> {
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        let media_type = media_type(request.headers()).unwrap_or_default().to_owned();
        let collecting = body::collect(request, LIMIT, app.options.body_timeout);
        // Refused before it is waited for.
        SentDocument::new(Bytes::new(), &media_type).ok_or_else(unsupported)?;
        let bytes = collecting.await?;
        let sha256 = body::digest(&bytes, keyed);
        let value = SentDocument::new(bytes, &media_type).ok_or_else(unsupported)?;
        Ok(Self(Sent { value, sha256 }))
    }
}

impl From<Document> for Sent<SentDocument> {
    fn from(document: Document) -> Self {
        document.0
    }
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn unsupported() -> Refused {
    Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send the document as JSON or YAML, with `Content-Type: application/json` or `application/yaml`.",
    )
}

/// A document on its way out, to be kept rather than shown.
#[derive(Debug)]
pub(crate) struct Download(pub(crate) DocumentBytes);

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let DocumentBytes { bytes, document, file_name, etag } = self.0;
        let mut response = bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(document.format.media_type()));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(VERSION, HeaderValue::from(document.version));
        let disposition = format!("attachment; filename=\"{file_name}\"");
        for (name, value) in [(CONTENT_DISPOSITION, disposition), (ETAG, etag)] {
            // Both are made of slugs, digits and hex.
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        }
        response
    }
}

/// Reads the API's OpenAPI document, as it came.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/openapi",
    tag = "APIs",
    params(("id" = String, Path, description = "The id."), ("version" = Option<u32>, Query, description = "A version of the document; left out, the newest.")),
    responses((status = 200, description = "The document, in the notation in which it came.", content((String = "application/json"), (String = "application/yaml")))),
    extensions(("x-permission" = json!("apis:read")))
)]
pub(crate) async fn read_openapi(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Download> {
    let version = asked.query.once("version")?;
    Ok(Download(app.service.api_document(&asked.request, &id, version).await?))
}

/// Makes this the API's OpenAPI document: version 3.0, 3.1 or 3.2, in JSON or YAML, at most 5 MiB and 64 levels
/// deep, without YAML's aliases, anchors and tags, and without a `$ref` that leads outside. Its `servers` are ignored.
#[utoipa::path(
    put,
    path = "/v1/apis/{id}/openapi",
    tag = "APIs",
    params(("id" = String, Path, description = "The id.")),
    request_body(description = "The document.", content((String = "application/json"), (String = "application/yaml"))),
    responses((status = 200, body = wire::ApiDocument)),
    extensions(("x-permission" = json!("apis:openapi")))
)]
pub(crate) async fn put_openapi(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
    document: Document,
) -> Answered<Done<wire::ApiDocument>> {
    let (request, document) = asked.with(document);
    Ok(Done(app.service.api_put_document(&request, &id, document).await?))
}

/// Lists the versions that the API's OpenAPI document had, the newest first.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/openapi/versions",
    tag = "APIs",
    params(("id" = String, Path, description = "The id."), ("limit" = Option<u32>, Query, description = "1 to 200; 50 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<wire::ApiDocument>)),
    extensions(("x-permission" = json!("apis:read")))
)]
pub(crate) async fn openapi_versions(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Shown<Page<wire::ApiDocument>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.api_document_versions(&request, &id, &given).await?))
}

/// Lists the operations that the API's OpenAPI document describes, by path and method. Texts are plain: markup in them
/// is not to be rendered.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/openapi/operations",
    tag = "APIs",
    params(("id" = String, Path, description = "The id."), ("limit" = Option<u32>, Query, description = "1 to 200; 50 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<wire::Operation>)),
    extensions(("x-permission" = json!("apis:read")))
)]
pub(crate) async fn openapi_operations(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Shown<Page<wire::Operation>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.api_operations(&request, &id, &given).await?))
}
