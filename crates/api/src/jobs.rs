//! `/v1/jobs`: work that goes on after its request was answered with 202, and how it ended.

use axum::extract::State;
use claviger_domain::id::JobId;
use claviger_wire::Page;
use claviger_wire::jobs as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

/// Lists jobs. One that ended is kept for 30 days.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "Jobs",
    params(
        ("api_id" = Option<Vec<String>>, Query, description = "The API's id or slug."),
        ("kind" = Option<Vec<String>>, Query, description = "`git_pull` or `git_push`."),
        ("status" = Option<Vec<String>>, Query, description = "`running`, `succeeded` or `failed`.")
    ),
    responses((status = 200, body = Page<wire::Job>)),
    extensions(("x-permission" = json!("jobs:read")), ("x-sorts" = json!(["started_at"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Job>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.job_list(&request, &given).await?))
}

/// Reads a job: whether it still runs, and how it ended.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "Jobs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Job)),
    extensions(("x-permission" = json!("jobs:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<JobId>,
) -> Answered<Tagged<wire::Job>> {
    Ok(Tagged(app.service.job_read(&asked.request, id).await?))
}
