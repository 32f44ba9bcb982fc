//! `/v1/organizations`: companies and departments.

use axum::extract::State;
use claviger_domain::id::OrganizationId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::organizations as wire;
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

/// Lists Organizations.
#[utoipa::path(
    get,
    path = "/v1/organizations",
    tag = "Organizations",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case.")),
    responses((status = 200, body = Page<wire::Organization>)),
    extensions(("x-permission" = json!("organizations:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Organization>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.organization_list(&request, &given).await?))
}

/// Adds an Organization, with its Group `default`, its template `Default` and its permission groups.
#[utoipa::path(
    post,
    path = "/v1/organizations",
    tag = "Organizations",
    request_body = wire::Create,
    responses((status = 201, body = wire::Organization)),
    extensions(("x-permission" = json!("organizations:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Organization>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.organization_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/organizations/bulk",
    tag = "Organizations",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Organization>)),
    extensions(("x-permission" = json!("organizations:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Organization>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.organization_create_bulk(&request, &body).await?))
}

/// Reads an Organization.
#[utoipa::path(
    get,
    path = "/v1/organizations/{id}",
    tag = "Organizations",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Organization)),
    extensions(("x-permission" = json!("organizations:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<OrganizationId>,
) -> Answered<Tagged<wire::Organization>> {
    Ok(Tagged(app.service.organization_read(&asked.request, id).await?))
}

/// Renames an Organization.
#[utoipa::path(
    patch,
    path = "/v1/organizations/{id}",
    tag = "Organizations",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Organization)),
    extensions(("x-permission" = json!("organizations:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<OrganizationId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Organization>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.organization_update(&request, id, &body).await?))
}

/// Deletes an Organization that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/organizations/{id}",
    tag = "Organizations",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("organizations:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<OrganizationId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.organization_delete(&asked.request, id).await?))
}
