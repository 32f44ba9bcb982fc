//! `/v1/shared-keys`, and those of one API: keys given directly to a named customer.

use axum::extract::State;
use claviger_domain::id::SharedKeyId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::shared_keys as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::{Act, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(reset_secret))
        .routes(routes!(clear_secret))
        .routes(routes!(create_portal_link, delete_portal_link))
        .routes(routes!(retrieve))
}

/// Lists the shared keys of an API, of both sections.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/shared-keys",
    operation_id = "shared_keys",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The API's id or slug."), ("q" = Option<String>, Query, description = "Part of the name, in any case."), ("audience" = Option<Vec<String>>, Query, description = "`inside` or `outside`."), ("status" = Option<Vec<String>>, Query, description = "`active` or `disabled`.")),
    responses((status = 200, body = Page<wire::SharedKey>)),
    extensions(("x-permission" = json!("shared_keys:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
) -> Answered<Shown<Page<wire::SharedKey>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.shared_key_list(&request, &api, &given).await?))
}

/// Adds a shared key to a section of an API. The key, and an inside key's secret, are in this answer and nowhere
/// else, unless the API's policy template lets them be retrieved.
#[utoipa::path(
    post,
    path = "/v1/apis/{id}/shared-keys",
    operation_id = "create_shared_key",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The API's id or slug.")),
    request_body = wire::Create,
    responses((status = 201, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
    body: Json<wire::Create>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.shared_key_create(&request, &api, &body).await?))
}

/// Reads a shared key, masked.
#[utoipa::path(
    get,
    path = "/v1/shared-keys/{id}",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
) -> Answered<Tagged<wire::SharedKey>> {
    Ok(Tagged(app.service.shared_key_read(&asked.request, id).await?))
}

/// Renames a shared key, or changes what it holds, felt at once. What is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/shared-keys/{id}",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.shared_key_update(&request, id, &body).await?))
}

/// Deletes a shared key: it is refused at once, and its place is free.
#[utoipa::path(
    delete,
    path = "/v1/shared-keys/{id}",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("shared_keys:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.shared_key_delete(&asked.request, id).await?))
}

/// Enables a disabled shared key.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/enable",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:enable")))
)]
pub(crate) async fn enable(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.shared_key_enable(&request, id, &act).await?))
}

/// Disables a shared key; it is refused at once.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/disable",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:disable")))
)]
pub(crate) async fn disable(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.shared_key_disable(&request, id, &act).await?))
}

/// Gives an inside key a new secret, which is in this answer; the old one dies at once. An outside key's is set
/// through its portal link alone.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/reset-secret",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:reset_secret")))
)]
pub(crate) async fn reset_secret(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.shared_key_reset_secret(&request, id, &act).await?))
}

/// Clears an outside key's secret, so that one can be set with the portal link alone.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/clear-secret",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::SharedKey)),
    extensions(("x-permission" = json!("shared_keys:clear_secret")))
)]
pub(crate) async fn clear_secret(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::SharedKey>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.shared_key_clear_secret(&request, id, &act).await?))
}

/// Makes the portal link of an outside key. Its address is in this answer and nowhere else; a link that was there
/// before is good no more.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/portal-link",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<wire::PostPortalLink>,
    responses((status = 200, body = wire::PortalLink)),
    extensions(("x-permission" = json!("shared_keys:portal_link")))
)]
pub(crate) async fn create_portal_link(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    body: Act<wire::PostPortalLink>,
) -> Answered<Done<wire::PortalLink>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.shared_key_create_portal_link(&request, id, &body).await?))
}

/// Withdraws the portal link, and ends what came from it.
#[utoipa::path(
    delete,
    path = "/v1/shared-keys/{id}/portal-link",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Withdrawn.")),
    extensions(("x-permission" = json!("shared_keys:portal_link")))
)]
pub(crate) async fn delete_portal_link(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.shared_key_delete_portal_link(&asked.request, id).await?))
}

/// Retrieves what the key was issued with, where the API's policy template said so then. Logged before it is
/// shown.
#[utoipa::path(
    post,
    path = "/v1/shared-keys/{id}/retrieve",
    tag = "Shared keys",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Retrieved)),
    extensions(("x-permission" = json!("shared_keys:retrieve")))
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SharedKeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Retrieved>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.shared_key_retrieve(&request, id, &act).await?))
}
