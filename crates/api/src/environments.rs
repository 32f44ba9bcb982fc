//! `/v1/environments`: where an API is offered and a key is valid. An id or a slug names one.

use axum::extract::State;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::environments as wire;
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

/// Lists Environments.
#[utoipa::path(
    get,
    path = "/v1/environments",
    tag = "Environments",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case.")),
    responses((status = 200, body = Page<wire::Environment>)),
    extensions(("x-permission" = json!("environments:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Environment>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.environment_list(&request, &given).await?))
}

/// Adds an Environment.
#[utoipa::path(
    post,
    path = "/v1/environments",
    tag = "Environments",
    request_body = wire::Create,
    responses((status = 201, body = wire::Environment)),
    extensions(("x-permission" = json!("environments:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Environment>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.environment_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/environments/bulk",
    tag = "Environments",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Environment>)),
    extensions(("x-permission" = json!("environments:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Environment>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.environment_create_bulk(&request, &body).await?))
}

/// Reads an Environment.
#[utoipa::path(
    get,
    path = "/v1/environments/{id}",
    tag = "Environments",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Environment)),
    extensions(("x-permission" = json!("environments:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Tagged<wire::Environment>> {
    Ok(Tagged(app.service.environment_read(&asked.request, &id).await?))
}

/// Renames an Environment.
#[utoipa::path(
    patch,
    path = "/v1/environments/{id}",
    tag = "Environments",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Environment)),
    extensions(("x-permission" = json!("environments:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Environment>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.environment_update(&request, &id, &body).await?))
}

/// Deletes an Environment that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/environments/{id}",
    tag = "Environments",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("environments:delete")))
)]
pub(crate) async fn delete(State(app): State<App>, asked: Asked, At(id): At<String>) -> Answered<Done<Gone>> {
    Ok(Done(app.service.environment_delete(&asked.request, &id).await?))
}
