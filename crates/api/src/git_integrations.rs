//! `/v1/apis/{id}/git-integration`: where an API's OpenAPI document is pulled from and pushed to.

use axum::extract::State;
use claviger_service::request::Gone;
use claviger_wire::git_integrations as wire;
use claviger_wire::jobs;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::{Act, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read, put, delete))
        .routes(routes!(test))
        .routes(routes!(pull))
        .routes(routes!(push))
        .routes(routes!(forget_host_key))
}

/// Reads an API's Git integration. A key pair to which the caller has no access is null.
#[utoipa::path(
    get,
    path = "/v1/apis/{id}/git-integration",
    operation_id = "git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    responses((status = 200, body = wire::GitIntegration)),
    extensions(("x-permission" = json!("git_integrations:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
) -> Answered<Tagged<wire::GitIntegration>> {
    Ok(Tagged(app.service.git_integration_read(&asked.request, &api).await?))
}

/// Sets up an API's Git integration, or changes it. Attaching a key pair, or having an attached one sign in for another
/// address, branch or path, needs `write` access to the pair.
#[utoipa::path(
    put,
    path = "/v1/apis/{id}/git-integration",
    operation_id = "put_git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    request_body = wire::Put,
    responses((status = 200, body = wire::GitIntegration)),
    extensions(("x-permission" = json!("git_integrations:update")))
)]
pub(crate) async fn put(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
    body: Json<wire::Put>,
) -> Answered<Done<wire::GitIntegration>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.git_integration_put(&request, &api, &body).await?))
}

/// Removes an API's Git integration. Its document stays.
#[utoipa::path(
    delete,
    path = "/v1/apis/{id}/git-integration",
    operation_id = "delete_git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("git_integrations:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.git_integration_delete(&asked.request, &api).await?))
}

/// Tries an integration as it is typed, and saves nothing: whether the host lets the key in and the file is there, or
/// why not. A host without a pinned key is taken at its word, and its key told.
#[utoipa::path(
    post,
    path = "/v1/apis/{id}/git-integration/test",
    operation_id = "test_git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    request_body = wire::Put,
    responses((status = 200, body = wire::Tested)),
    extensions(("x-permission" = json!("git_integrations:test")))
)]
pub(crate) async fn test(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
    body: Json<wire::Put>,
) -> Answered<Shown<wire::Tested>> {
    let (request, body) = asked.with(body);
    Ok(Shown(app.service.git_integration_test(&request, &api, &body).await?))
}

/// Pulls: fetches the file, validates it, and makes it the API's document. Goes on as a job.
#[utoipa::path(
    post,
    path = "/v1/apis/{id}/git-integration/pull",
    operation_id = "pull_git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    request_body = Option<wire::Start>,
    responses((status = 202, body = jobs::Job)),
    extensions(("x-permission" = json!("git_integrations:pull")))
)]
pub(crate) async fn pull(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
    body: Act<wire::Start>,
) -> Answered<Done<jobs::Job>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.git_integration_pull(&request, &api, &body).await?))
}

/// Pushes: writes the API's document as one commit on top of the branch. Goes on as a job.
#[utoipa::path(
    post,
    path = "/v1/apis/{id}/git-integration/push",
    operation_id = "push_git_integration",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    request_body = Option<wire::Start>,
    responses((status = 202, body = jobs::Job)),
    extensions(("x-permission" = json!("git_integrations:push")))
)]
pub(crate) async fn push(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
    body: Act<wire::Start>,
) -> Answered<Done<jobs::Job>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.git_integration_push(&request, &api, &body).await?))
}

/// Forgets the pinned key of the host: the one that it shows next is pinned.
#[utoipa::path(
    delete,
    path = "/v1/apis/{id}/git-integration/host-key",
    operation_id = "forget_git_host_key",
    tag = "Git integrations",
    params(("id" = String, Path, description = "The API's id or slug.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("git_integrations:host_key")))
)]
pub(crate) async fn forget_host_key(
    State(app): State<App>,
    asked: Asked,
    At(api): At<String>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.git_integration_forget_host_key(&asked.request, &api).await?))
}
