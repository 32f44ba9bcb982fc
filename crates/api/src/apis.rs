//! `/v1/apis`: the catalog. An id or a slug names an API.

use axum::extract::State;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::apis as wire;
use claviger_wire::bulk::Bulk;
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
        .routes(routes!(set_exposure))
        .routes(routes!(impact))
}

/// Lists the APIs of the catalog that the caller may see.
#[utoipa::path(
    get,
    path = "/v1/apis",
    tag = "APIs",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group."), ("environment_id" = Option<Vec<String>>, Query, description = "Only offered in this Environment, by id or slug."), ("auth_type" = Option<Vec<String>>, Query, description = "Only with this auth type."), ("exposed" = Option<bool>, Query, description = "Only exposed, or only not.")),
    responses((status = 200, body = Page<wire::ApiView>)),
    extensions(("x-permission" = json!("apis:read")), ("x-sorts" = json!(["created_at", "name", "slug"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::ApiView>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.api_list(&request, &given).await?))
}

/// Adds an API to the catalog.
#[utoipa::path(
    post,
    path = "/v1/apis",
    tag = "APIs",
    request_body = wire::Create,
    responses((status = 201, body = wire::Api)),
    extensions(("x-permission" = json!("apis:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Api>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.api_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/apis/bulk",
    tag = "APIs",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Api>)),
    extensions(("x-permission" = json!("apis:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Api>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.api_create_bulk(&request, &body).await?))
}

/// Reads an API, as far as the caller may see it.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}",
    tag = "APIs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::ApiView)),
    extensions(("x-permission" = json!("apis:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Tagged<wire::ApiView>> {
    Ok(Tagged(app.service.api_read(&asked.request, &id).await?))
}

/// Changes an API. What is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/apis/{id}",
    tag = "APIs",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Api)),
    extensions(("x-permission" = json!("apis:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Api>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.api_update(&request, &id, &body).await?))
}

/// Deletes an API that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/apis/{id}",
    tag = "APIs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("apis:delete")))
)]
pub(crate) async fn delete(State(app): State<App>, asked: Asked, At(id): At<String>) -> Answered<Done<Gone>> {
    Ok(Done(app.service.api_delete(&asked.request, &id).await?))
}

/// Exposes an API, or takes it back; keys made before are kept.
#[utoipa::path(
    put,
    path = "/v1/apis/{id}/exposure",
    tag = "APIs",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::PutExposure,
    responses((status = 200, body = wire::Api)),
    extensions(("x-permission" = json!("apis:exposure")))
)]
pub(crate) async fn set_exposure(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
    body: Json<wire::PutExposure>,
) -> Answered<Done<wire::Api>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.api_set_exposure(&request, &id, &body).await?))
}

/// Says which shared keys would be refused if the API required something else of them. It warns; nothing is
/// blocked.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/impact",
    tag = "APIs",
    params(("id" = String, Path, description = "The id."), ("requires" = String, Query, description = "What the API would require: `none`, `key`, `secret` or `key_and_secret`.")),
    responses((status = 200, body = acts::Impact)),
    extensions(("x-permission" = json!("shared_keys:read")))
)]
pub(crate) async fn impact(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Shown<acts::Impact>> {
    let requires = asked.query.once("requires")?;
    Ok(Shown(app.service.api_impact(&asked.request, &id, requires).await?))
}
