//! `/v1/permissions` and `/v1/permission-groups`: what can be allowed, and named sets of it.

use axum::extract::State;
use claviger_domain::id::PermissionGroupId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::permission_groups as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::{Batch, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_permissions))
        .routes(routes!(list, create))
        .routes(routes!(create_bulk))
        .routes(routes!(read, update, delete))
}

/// Lists all permissions there are.
#[utoipa::path(
    get,
    path = "/v1/permissions",
    tag = "Permission groups",
    operation_id = "list",
    responses((status = 200, body = Page<wire::Permission>)),
)]
pub(crate) async fn list_permissions(
    State(app): State<App>,
    _asked: Asked,
) -> Answered<Shown<Page<wire::Permission>>> {
    Ok(Shown(Page::whole(app.service.permission_list())))
}

/// Lists permission groups.
#[utoipa::path(
    get,
    path = "/v1/permission-groups",
    tag = "Permission groups",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either.")),
    responses((status = 200, body = Page<wire::PermissionGroup>)),
    extensions(("x-permission" = json!("permission_groups:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(
    State(app): State<App>,
    asked: Asked,
) -> Answered<Shown<Page<wire::PermissionGroup>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.permission_group_list(&request, &given).await?))
}

/// Adds a permission group. Nobody gives what they have not.
#[utoipa::path(
    post,
    path = "/v1/permission-groups",
    tag = "Permission groups",
    request_body = wire::Create,
    responses((status = 201, body = wire::PermissionGroup)),
    extensions(("x-permission" = json!("permission_groups:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::PermissionGroup>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.permission_group_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/permission-groups/bulk",
    tag = "Permission groups",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::PermissionGroup>)),
    extensions(("x-permission" = json!("permission_groups:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::PermissionGroup>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.permission_group_create_bulk(&request, &body).await?))
}

/// Reads a permission group.
#[utoipa::path(
    get,
    path = "/v1/permission-groups/{id}",
    tag = "Permission groups",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::PermissionGroup)),
    extensions(("x-permission" = json!("permission_groups:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PermissionGroupId>,
) -> Answered<Tagged<wire::PermissionGroup>> {
    Ok(Tagged(app.service.permission_group_read(&asked.request, id).await?))
}

/// Renames a permission group, or changes its permissions, effective on the next call.
#[utoipa::path(
    patch,
    path = "/v1/permission-groups/{id}",
    tag = "Permission groups",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::PermissionGroup)),
    extensions(("x-permission" = json!("permission_groups:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PermissionGroupId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::PermissionGroup>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.permission_group_update(&request, id, &body).await?))
}

/// Deletes a permission group that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/permission-groups/{id}",
    tag = "Permission groups",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("permission_groups:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PermissionGroupId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.permission_group_delete(&asked.request, id).await?))
}
