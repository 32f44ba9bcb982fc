//! `/v1/applications`: consumers' programs.

use axum::extract::State;
use claviger_domain::id::ApplicationId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::applications as wire;
use claviger_wire::bulk::Bulk;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::{Act, Batch, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(create_bulk))
        .routes(routes!(read, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(activate))
        .routes(routes!(impact))
}

/// Lists Applications.
#[utoipa::path(
    get,
    path = "/v1/applications",
    tag = "Applications",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("status" = Option<Vec<String>>, Query, description = "`active` or `suspended`."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group.")),
    responses((status = 200, body = Page<wire::Application>)),
    extensions(("x-permission" = json!("applications:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Application>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.application_list(&request, &given).await?))
}

/// Adds an Application.
#[utoipa::path(
    post,
    path = "/v1/applications",
    tag = "Applications",
    request_body = wire::Create,
    responses((status = 201, body = wire::Application)),
    extensions(("x-permission" = json!("applications:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Application>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.application_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/applications/bulk",
    tag = "Applications",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Application>)),
    extensions(("x-permission" = json!("applications:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Application>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.application_create_bulk(&request, &body).await?))
}

/// Reads an Application.
#[utoipa::path(
    get,
    path = "/v1/applications/{id}",
    tag = "Applications",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Application)),
    extensions(("x-permission" = json!("applications:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
) -> Answered<Tagged<wire::Application>> {
    Ok(Tagged(app.service.application_read(&asked.request, id).await?))
}

/// Renames an Application.
#[utoipa::path(
    patch,
    path = "/v1/applications/{id}",
    tag = "Applications",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Application)),
    extensions(("x-permission" = json!("applications:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Application>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.application_update(&request, id, &body).await?))
}

/// Deletes an Application that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/applications/{id}",
    tag = "Applications",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("applications:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.application_delete(&asked.request, id).await?))
}

/// Suspends an Application and all its Key Sets, at once.
#[utoipa::path(
    post,
    path = "/v1/applications/{id}/suspend",
    tag = "Applications",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Application)),
    extensions(("x-permission" = json!("applications:suspend")))
)]
pub(crate) async fn suspend(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Application>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.application_suspend(&request, id, &act).await?))
}

/// Activates an Application, and the Key Sets that suspending it took; with `"key_sets": "all"` also those suspended by hand.
#[utoipa::path(
    post,
    path = "/v1/applications/{id}/activate",
    tag = "Applications",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<wire::Activate>,
    responses((status = 200, body = wire::Activated)),
    extensions(("x-permission" = json!("applications:activate")))
)]
pub(crate) async fn activate(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
    act: Act<wire::Activate>,
) -> Answered<Done<wire::Activated>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.application_activate(&request, id, &act).await?))
}

/// Says what an act would break, before it is done. It warns; nothing is blocked.
#[utoipa::path(
    get,
    path = "/v1/applications/{id}/impact",
    tag = "Applications",
    params(("id" = String, Path, description = "The id."), ("act" = Option<String>, Query, description = "The act whose consequences are asked for: `suspend` or `delete`.")),
    responses((status = 200, body = acts::Impact)),
    extensions(("x-permission" = json!("applications:read")))
)]
pub(crate) async fn impact(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ApplicationId>,
) -> Answered<Shown<acts::Impact>> {
    let act = asked.query.once("act")?;
    Ok(Shown(app.service.application_impact(&asked.request, id, act).await?))
}
