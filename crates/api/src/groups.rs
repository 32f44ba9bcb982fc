//! `/v1/groups`: teams of an Organization.

use axum::extract::State;
use claviger_domain::id::GroupId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::groups as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::{Batch, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(create_bulk))
        .routes(routes!(read, update, delete))
}

/// Lists Groups.
#[utoipa::path(
    get,
    path = "/v1/groups",
    tag = "Groups",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either.")),
    responses((status = 200, body = Page<wire::Group>)),
    extensions(("x-permission" = json!("groups:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Group>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.group_list(&request, &given).await?))
}

/// Adds a Group.
#[utoipa::path(
    post,
    path = "/v1/groups",
    tag = "Groups",
    request_body = wire::Create,
    responses((status = 201, body = wire::Group)),
    extensions(("x-permission" = json!("groups:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Group>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.group_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/groups/bulk",
    tag = "Groups",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Group>)),
    extensions(("x-permission" = json!("groups:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Group>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.group_create_bulk(&request, &body).await?))
}

/// Reads a Group.
#[utoipa::path(
    get,
    path = "/v1/groups/{id}",
    tag = "Groups",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Group)),
    extensions(("x-permission" = json!("groups:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<GroupId>,
) -> Answered<Tagged<wire::Group>> {
    Ok(Tagged(app.service.group_read(&asked.request, id).await?))
}

/// Renames a Group.
#[utoipa::path(
    patch,
    path = "/v1/groups/{id}",
    tag = "Groups",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Group)),
    extensions(("x-permission" = json!("groups:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<GroupId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Group>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.group_update(&request, id, &body).await?))
}

/// Deletes a Group that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/groups/{id}",
    tag = "Groups",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("groups:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<GroupId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.group_delete(&asked.request, id).await?))
}
