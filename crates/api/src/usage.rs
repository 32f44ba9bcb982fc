//! `/v1/usage`, and what was counted at one API: how many calls, which were refused and why, how long they took, and
//! the last responses.

use axum::extract::State;
use claviger_wire::Page;
use claviger_wire::usage as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Shown};
use crate::app::{App, At};
use crate::asked::Asked;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(usage)).routes(routes!(of_api)).routes(routes!(calls))
}

/// Counts calls, by step of time.
///
/// What is counted at an API shows to those who see the usage of that API; what is counted of a Key Set, to those who
/// see the usage of that Key Set.
#[utoipa::path(
    get,
    path = "/v1/usage",
    tag = "Usage",
    params(("from" = Option<String>, Query, description = "The instant or day that it begins with; a day before `to` if it is left out."), ("to" = Option<String>, Query, description = "The instant or day that it ends before; the end of the running step if it is left out."), ("step" = Option<String>, Query, description = "`minute`, `hour` (default) or `day`. A range has 1,500 steps at most."), ("by" = Option<String>, Query, description = "`key`, `api`, `application` or `code`; left out, all together."), ("api_id" = Option<Vec<String>>, Query, description = "Only at this API, by id or slug."), ("key_id" = Option<Vec<String>>, Query, description = "Only of this Key or shared key."), ("key_set_id" = Option<Vec<String>>, Query, description = "Only of this Key Set."), ("application_id" = Option<Vec<String>>, Query, description = "Only of this Application."), ("limit" = Option<u32>, Query, description = "1 to 1,500; 200 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<wire::Count>)),
    extensions(("x-permission" = json!("usage:read")))
)]
pub(crate) async fn usage(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Count>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.usage(&request, &given).await?))
}

/// Counts the calls to an API, by step of time.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/usage",
    tag = "Usage",
    params(("id" = String, Path, description = "The id or the slug."), ("from" = Option<String>, Query, description = "The instant or day that it begins with; a day before `to` if it is left out."), ("to" = Option<String>, Query, description = "The instant or day that it ends before; the end of the running step if it is left out."), ("step" = Option<String>, Query, description = "`minute`, `hour` (default) or `day`. A range has 1,500 steps at most."), ("by" = Option<String>, Query, description = "`key`, `api`, `application` or `code`; left out, all together."), ("key_id" = Option<Vec<String>>, Query, description = "Only of this Key or shared key."), ("key_set_id" = Option<Vec<String>>, Query, description = "Only of this Key Set."), ("application_id" = Option<Vec<String>>, Query, description = "Only of this Application."), ("limit" = Option<u32>, Query, description = "1 to 1,500; 200 if it is left out."), ("cursor" = Option<String>, Query, description = "Where the page begins: a `next_cursor`.")),
    responses((status = 200, body = Page<wire::Count>)),
    extensions(("x-permission" = json!("usage:read")))
)]
pub(crate) async fn of_api(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Shown<Page<wire::Count>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.api_usage(&request, &id, &given).await?))
}

/// Lists the last responses that the gateway gave at an API, the latest first: a hundred of each key are kept.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/calls",
    tag = "Usage",
    params(("id" = String, Path, description = "The id or the slug."), ("key_id" = Option<Vec<String>>, Query, description = "Only of this Key or shared key."), ("code" = Option<Vec<String>>, Query, description = "Only with this code of the decision."), ("limit" = Option<u32>, Query, description = "1 to 100; 100 if it is left out.")),
    responses((status = 200, body = Page<wire::Response>)),
    extensions(("x-permission" = json!("usage:read")))
)]
pub(crate) async fn calls(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Shown<Page<wire::Response>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.api_calls(&request, &id, &given).await?))
}
