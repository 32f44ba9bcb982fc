//! `/v1/service-keys`: keys to Claviger's own API.

use axum::extract::State;
use claviger_domain::id::ServiceKeyId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::bulk::Bulk;
use claviger_wire::service_keys as wire;
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
        .routes(routes!(current))
        .routes(routes!(read, update, delete))
        .routes(routes!(activate))
        .routes(routes!(deactivate))
        .routes(routes!(replace))
        .routes(routes!(set_permission_groups))
}

/// Lists service keys, masked.
#[utoipa::path(
    get,
    path = "/v1/service-keys",
    tag = "Service keys",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("status" = Option<Vec<String>>, Query, description = "`active` or `inactive`."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("permission_group_id" = Option<Vec<String>>, Query, description = "Only with this permission group."), ("member_id" = Option<Vec<String>>, Query, description = "Only counting as this member.")),
    responses((status = 200, body = Page<wire::ServiceKey>)),
    extensions(("x-permission" = json!("service_keys:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::ServiceKey>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.service_key_list(&request, &given).await?))
}

/// Adds a service key; its value is in this answer and nowhere else. Nobody gives what they have not.
#[utoipa::path(
    post,
    path = "/v1/service-keys",
    tag = "Service keys",
    request_body = wire::Create,
    responses((status = 201, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.service_key_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none. The values are in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/service-keys/bulk",
    tag = "Service keys",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::ServiceKey>)),
    extensions(("x-permission" = json!("service_keys:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::ServiceKey>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.service_key_create_bulk(&request, &body).await?))
}

/// Reads a service key, masked.
#[utoipa::path(
    get,
    path = "/v1/service-keys/{id}",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
) -> Answered<Tagged<wire::ServiceKey>> {
    Ok(Tagged(app.service.service_key_read(&asked.request, id).await?))
}

/// Renames a service key.
#[utoipa::path(
    patch,
    path = "/v1/service-keys/{id}",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.service_key_update(&request, id, &body).await?))
}

/// Deletes a service key; it is refused at once.
#[utoipa::path(
    delete,
    path = "/v1/service-keys/{id}",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("service_keys:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.service_key_delete(&asked.request, id).await?))
}

/// Activates a service key. Needs all that the key can do.
#[utoipa::path(
    post,
    path = "/v1/service-keys/{id}/activate",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:activate")))
)]
pub(crate) async fn activate(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.service_key_activate(&request, id, &act).await?))
}

/// Deactivates a service key; it is refused at once.
#[utoipa::path(
    post,
    path = "/v1/service-keys/{id}/deactivate",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:deactivate")))
)]
pub(crate) async fn deactivate(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.service_key_deactivate(&request, id, &act).await?))
}

/// Replaces a lost service key by a new one with the same rights, whose value is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/service-keys/{id}/replace",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:replace")))
)]
pub(crate) async fn replace(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.service_key_replace(&request, id, &act).await?))
}

/// Changes what a service key may do, effective on the next call.
#[utoipa::path(
    put,
    path = "/v1/service-keys/{id}/permission-groups",
    tag = "Service keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::PutPermissionGroups,
    responses((status = 200, body = wire::ServiceKey)),
    extensions(("x-permission" = json!("service_keys:permission_groups")))
)]
pub(crate) async fn set_permission_groups(
    State(app): State<App>,
    asked: Asked,
    At(id): At<ServiceKeyId>,
    body: Json<wire::PutPermissionGroups>,
) -> Answered<Done<wire::ServiceKey>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.service_key_set_permission_groups(&request, id, &body).await?))
}

/// Reads the service key that makes this call.
#[utoipa::path(
    get,
    path = "/v1/service-keys/current",
    tag = "Service keys",
    responses((status = 200, body = wire::ServiceKey)),
)]
pub(crate) async fn current(State(app): State<App>, asked: Asked) -> Answered<Tagged<wire::ServiceKey>> {
    Ok(Tagged(app.service.service_key_current(&asked.request).await?))
}
