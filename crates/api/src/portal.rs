//! `/v1/portal`: what a person with no account may do who holds the portal link of an outside key. They come with
//! the link's token, or with the portal's own session, which is the one cookie that `/v1` takes.

use axum::extract::{FromRequestParts, MatchedPath, State};
use axum::response::{IntoResponse, Response};
use claviger_service::ListParameters;
use claviger_service::portal::{Begun, Pass, Visit};
use claviger_wire::Page;
use claviger_wire::api_documents::Operation;
use claviger_wire::portal as wire;
use claviger_wire::usage;
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown};
use crate::api_documents::Download;
use crate::app::App;
use crate::asked::claim;
use crate::body::{Act, Json};
use crate::query::Query;
use crate::refused::Refused;
use crate::source;
use crate::trials::{self, Told};

/// The cookie of a session.
const SESSION: &str = "claviger_portal";
/// Where browsers send it, below the path of `public_url`.
const PATH: &str = "/v1/portal";
/// The beginning of a portal link's token.
const TOKEN: &str = "clv_portal_";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

pub(crate) fn routes() -> OpenApiRouter<App> {
    let own = OpenApiRouter::new().routes(routes!(trade, leave)).routes(routes!(read));
    let own = own.routes(routes!(set_secret)).routes(routes!(usage));
    own.routes(routes!(openapi)).routes(routes!(operations)).routes(routes!(try_call))
}

/// A visitor whose link or session is good.
pub(crate) struct Visiting(Visit);

/// The same, with the parameters that the document names.
pub(crate) struct Looking(Visit, ListParameters);

impl FromRequestParts<App> for Visiting {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let mut visit = visit(parts, app).await?;
        Query::parse(parts.uri.query(), &[])?;
        visit.idempotency = claim(parts)?;
        Ok(Self(visit))
    }
}

impl FromRequestParts<App> for Looking {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let visit = visit(parts, app).await?;
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let query = Query::parse(parts.uri.query(), app.known_parameters(route, &parts.method))?;
        Ok(Self(visit, ListParameters { path: parts.uri.path().to_owned(), pairs: query.into_pairs() }))
    }
}

async fn visit(parts: &Parts, app: &App) -> Result<Visit, Refused> {
    let source = source::of(&parts.extensions, &parts.headers, &app.options.trusted);
    let pass = pass(&parts.method, &parts.headers).ok_or_else(Refused::no_visitor)?;
    app.service.portal_sign_in(pass, source).await.map_err(Refused::of_visitor)
}

/// What the request presents. A session changes nothing at the word of another site.
fn pass<'h>(method: &Method, headers: &'h HeaderMap) -> Option<Pass<'h>> {
    if headers.contains_key(AUTHORIZATION) {
        let token = crate::asked::presented(headers).ok().filter(|token| token.starts_with(TOKEN));
        return token.map(Pass::Link);
    }
    let same_site = headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin");
    session(headers).filter(|_| *method == Method::GET || same_site).map(Pass::Session)
}

/// The session in the one cookie of that name.
fn session(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == SESSION).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// A session on its way to the browser.
pub(crate) struct Entered {
    begun: Begun,
    attributes: String,
}

impl IntoResponse for Entered {
    fn into_response(self) -> Response {
        let Begun { value, seconds, session } = self.begun;
        let cookie = format!("{SESSION}={}; Max-Age={seconds}{}", value.expose(), self.attributes);
        with_cookie((StatusCode::CREATED, axum::Json(session)).into_response(), &cookie)
    }
}

/// The session is over.
pub(crate) struct Left(String);

impl IntoResponse for Left {
    fn into_response(self) -> Response {
        with_cookie(StatusCode::NO_CONTENT.into_response(), &format!("{SESSION}=; Max-Age=0{}", self.0))
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Out of reach of scripts, of other sites, and of all paths but the portal's.
fn attributes(app: &App) -> String {
    let secure = if app.options.public_url.starts_with("https://") { "; Secure" } else { "" };
    format!("; Path={}{PATH}; HttpOnly; SameSite=Strict{secure}", app.options.prefix())
}

/// Trades the token of a portal link for a session of 15 minutes, which is in the cookie that comes with the answer.
#[utoipa::path(
    post,
    path = "/v1/portal/session",
    tag = "Portal",
    request_body = wire::Trade,
    responses((status = 201, body = wire::Session))
)]
pub(crate) async fn trade(
    State(app): State<App>,
    Stranger(source): Stranger,
    body: Json<wire::Trade>,
) -> Answered<Entered> {
    let token = body.into_value().token;
    let begun = app.service.portal_trade(&token, source).await.map_err(Refused::of_visitor)?;
    Ok(Entered { begun, attributes: attributes(&app) })
}

/// Ends the session.
#[utoipa::path(
    delete,
    path = "/v1/portal/session",
    tag = "Portal",
    responses((status = 204, description = "Ended."))
)]
pub(crate) async fn leave(State(app): State<App>, _: Visiting, headers: HeaderMap) -> Answered<Left> {
    if let Some(session) = session(&headers) {
        app.service.portal_leave(session).await?;
    }
    Ok(Left(attributes(&app)))
}

/// Reads the API that the link opens, and the key that it belongs to.
#[utoipa::path(
    get,
    path = "/v1/portal",
    tag = "Portal",
    responses((status = 200, body = wire::Portal))
)]
pub(crate) async fn read(State(app): State<App>, Visiting(visit): Visiting) -> Answered<Shown<wire::Portal>> {
    Ok(Shown(app.service.portal_read(&visit).await.map_err(Refused::of_visitor)?))
}

/// Counts the calls of the key that the link belongs to, by step of time.
#[utoipa::path(
    get,
    path = "/v1/portal/usage",
    tag = "Portal",
    params(("from" = Option<String>, Query, description = "The instant or day that it begins with; a day before `to` if it is left out."), ("to" = Option<String>, Query, description = "The instant or day that it ends before; the end of the running step if it is left out."), ("step" = Option<String>, Query, description = "`minute`, `hour` (default) or `day`. A range has 1,500 steps at most."), ("by" = Option<String>, Query, description = "`code`, for the reasons of refusals; left out, all together."), ("limit" = Option<u32>, Query, description = "1 to 1,500; 200 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<usage::Count>))
)]
pub(crate) async fn usage(
    State(app): State<App>,
    Looking(visit, given): Looking,
) -> Answered<Shown<Page<usage::Count>>> {
    Ok(Shown(app.service.portal_usage(&visit, &given).await.map_err(Refused::of_visitor)?))
}

/// Downloads the OpenAPI document of the API that the link opens, as its owner sent it.
#[utoipa::path(
    get,
    path = "/v1/portal/openapi",
    tag = "Portal",
    responses((status = 200, description = "The document, in the notation in which it came.", content((String = "application/json"), (String = "application/yaml"))))
)]
pub(crate) async fn openapi(State(app): State<App>, Visiting(visit): Visiting) -> Answered<Download> {
    Ok(Download(app.service.portal_document(&visit).await.map_err(Refused::of_visitor)?))
}

/// Lists the operations that the document describes, by path and method. Texts are plain: markup in them is not to be
/// rendered.
#[utoipa::path(
    get,
    path = "/v1/portal/operations",
    tag = "Portal",
    params(("limit" = Option<u32>, Query, description = "1 to 200; 50 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<Operation>))
)]
pub(crate) async fn operations(
    State(app): State<App>,
    Looking(visit, given): Looking,
) -> Answered<Shown<Page<Operation>>> {
    Ok(Shown(app.service.portal_operations(&visit, &given).await.map_err(Refused::of_visitor)?))
}

/// Makes a call of the API through the gateway, with the visitor's own key and secret, which are kept nowhere; and
/// tells what it was answered, at most 1 MiB of it and for 15 s. Redirects are not followed.
#[utoipa::path(
    post,
    path = "/v1/portal/try",
    tag = "Portal",
    request_body = wire::Try,
    responses((status = 200, body = wire::Tried))
)]
pub(crate) async fn try_call(
    State(app): State<App>,
    Visiting(visit): Visiting,
    body: Json<wire::Try>,
) -> Answered<Told> {
    if visit.idempotency.is_some() {
        return Err(Refused::bad_header(
            "Idempotency-Key",
            "is not taken here: each trial is a call of its own",
        ));
    }
    let trial = app.service.portal_try(&visit, &body.into_value()).await.map_err(Refused::of_visitor)?;
    trials::make(&app, trial, visit.source).await
}

/// Sets the key's secret, generated or typed. Where one is set, it has to be given; it dies at once.
#[utoipa::path(
    post,
    path = "/v1/portal/secret",
    tag = "Portal",
    request_body = Option<wire::PutSecret>,
    responses((status = 200, body = wire::Secret))
)]
pub(crate) async fn set_secret(
    State(app): State<App>,
    Visiting(visit): Visiting,
    body: Act<wire::PutSecret>,
) -> Answered<Done<wire::Secret>> {
    let (visit, body) = body.with(visit);
    Ok(Done(app.service.portal_set_secret(&visit, &body).await.map_err(Refused::of_visitor)?))
}

/// Somebody who has shown nothing yet, and where they are.
pub(crate) struct Stranger(pub(crate) Option<std::net::IpAddr>);

impl FromRequestParts<App> for Stranger {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        Query::parse(parts.uri.query(), &[])?;
        Ok(Self(source::of(&parts.extensions, &parts.headers, &app.options.trusted)))
    }
}

impl Act<wire::PutSecret> {
    /// The visit together with the body that came with it.
    fn with(self, visit: Visit) -> (Visit, wire::PutSecret) {
        let sent = crate::body::Sent::from(self);
        let mut visit = visit;
        if let (Some(claim), Some(sha256)) = (&mut visit.idempotency, sent.sha256) {
            claim.body_sha256 = sha256;
        }
        (visit, sent.value)
    }
}

impl Refused {
    fn no_visitor() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Open the portal by its link again; if it does not open, ask whoever sent it for a new one.",
        )
        .challenge()
    }

    /// Visitors have links, not service keys.
    fn of_visitor(error: claviger_service::Error) -> Self {
        match error {
            claviger_service::Error::SignIn(_) => Self::no_visitor(),
            error => error.into(),
        }
    }
}
