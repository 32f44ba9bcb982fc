//! `/v1/verify` and `/v1/which-key`: questions about a credential. Deciding is the hot path: its caller is
//! signed in from memory, and nothing here waits for a database.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use bytes::Bytes;
use claviger_service::verify::{Asker, Verdicts};
use claviger_wire::verify as wire;
use claviger_wire::which_key;
use futures::future::{BoxFuture, FutureExt as _};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{self, Answered, Shown};
use crate::app::App;
use crate::asked::{Asked, presented};
use crate::body::{Arriving, Batch, Json};
use crate::query::Query;
use crate::refused::Refused;
use crate::source;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(verify)).routes(routes!(verify_batch)).routes(routes!(identify))
}

/// A caller who may ask for decisions.
pub(crate) struct Deciding(Asker);

impl FromRequestParts<App> for Deciding {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let source = source::of(&parts.extensions, &parts.headers, &app.options.trusted);
        sign_in(app, &parts.headers, &parts.uri, source).map(Self)
    }
}

fn sign_in(app: &App, headers: &HeaderMap, uri: &Uri, source: Option<IpAddr>) -> Result<Asker, Refused> {
    let asker = app.service.verify_sign_in(presented(headers)?, source)?;
    Query::parse(uri.query(), &[])?;
    Ok(asker)
}

/// Where a decision is asked for.
pub(crate) const VERIFY_PATH: &str = "/v1/verify";

/// Decides on one call, wherever the request comes from. Nothing is asked of the body before this is polled: only then
/// has the server read what came with the headers. In a box, since the server moves it about.
pub(crate) fn decide<B: Arriving + Send + 'static>(
    app: &App,
    request: Request<B>,
    source: Option<IpAddr>,
) -> BoxFuture<'static, Answered<Response<Full<Bytes>>>> {
    let asker = sign_in(app, request.headers(), request.uri(), source);
    let question = Json::<wire::Question>::receive(request, app.options.body_timeout);
    let app = app.clone();
    let decide = async move {
        let asker = asker?;
        let question = question.await?.into_value();
        answer::json(StatusCode::OK, &app.service.verify(&asker, question).await?)
    };
    decide.boxed()
}

/// Decides whether a call with this credential may pass.
///
/// The answer is 200 for a refusal too: `allowed` and `code` say what was decided.
#[utoipa::path(
    post,
    path = "/v1/verify",
    tag = "Deciding",
    request_body = wire::Question,
    responses((status = 200, body = wire::Decision)),
    extensions(("x-permission" = json!("verify:call")))
)]
pub(crate) async fn verify(
    State(app): State<App>,
    request: Request<Body>,
) -> Answered<Response<Full<Bytes>>> {
    let source = source::of(request.extensions(), request.headers(), &app.options.trusted);
    decide(&app, request, source).await
}

/// Decides on up to 1,000 calls, in their order.
#[utoipa::path(
    post,
    path = "/v1/verify/batch",
    tag = "Deciding",
    request_body = wire::Batch,
    responses((status = 200, body = wire::Decisions)),
    extensions(("x-permission" = json!("verify:call")))
)]
pub(crate) async fn verify_batch(
    State(app): State<App>,
    Deciding(asker): Deciding,
    body: Batch<wire::Batch>,
) -> Answered<Shown<Verdicts>> {
    Ok(Shown(app.service.verify_batch(&asker, body.into_value()).await?))
}

/// Tells which key a pasted value is, if the caller may see it. 30 a minute.
///
/// The value is digested and forgotten; it is never logged.
#[utoipa::path(
    post,
    path = "/v1/which-key",
    tag = "Deciding",
    request_body = which_key::Question,
    responses((status = 200, body = which_key::Identified)),
    extensions(("x-permission" = json!("keys:identify")))
)]
pub(crate) async fn identify(
    State(app): State<App>,
    asked: Asked,
    body: Json<which_key::Question>,
) -> Answered<Shown<which_key::Identified>> {
    let (request, question) = asked.with(body);
    Ok(Shown(app.service.which_key(&request, &question).await?))
}
