//! `/v1/policy-templates`: expiration, rotation, overlap and approval of Key Sets.

use axum::extract::State;
use claviger_domain::id::PolicyTemplateId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::policy_templates as wire;
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

/// Lists policy templates in their present version.
#[utoipa::path(
    get,
    path = "/v1/policy-templates",
    tag = "Policy templates",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either.")),
    responses((status = 200, body = Page<wire::PolicyTemplate>)),
    extensions(("x-permission" = json!("policy_templates:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(
    State(app): State<App>,
    asked: Asked,
) -> Answered<Shown<Page<wire::PolicyTemplate>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.policy_template_list(&request, &given).await?))
}

/// Adds a policy template. What is left out is as in the template `Default`.
#[utoipa::path(
    post,
    path = "/v1/policy-templates",
    tag = "Policy templates",
    request_body = wire::Create,
    responses((status = 201, body = wire::PolicyTemplate)),
    extensions(("x-permission" = json!("policy_templates:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::PolicyTemplate>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.policy_template_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/policy-templates/bulk",
    tag = "Policy templates",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::PolicyTemplate>)),
    extensions(("x-permission" = json!("policy_templates:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::PolicyTemplate>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.policy_template_create_bulk(&request, &body).await?))
}

/// Reads a policy template in its present version.
#[utoipa::path(
    get,
    path = "/v1/policy-templates/{id}",
    tag = "Policy templates",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::PolicyTemplate)),
    extensions(("x-permission" = json!("policy_templates:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PolicyTemplateId>,
) -> Answered<Tagged<wire::PolicyTemplate>> {
    Ok(Tagged(app.service.policy_template_read(&asked.request, id).await?))
}

/// Makes a new version of a policy template; no live Key Set changes.
#[utoipa::path(
    patch,
    path = "/v1/policy-templates/{id}",
    tag = "Policy templates",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::PolicyTemplate)),
    extensions(("x-permission" = json!("policy_templates:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PolicyTemplateId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::PolicyTemplate>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.policy_template_update(&request, id, &body).await?))
}

/// Deletes a policy template that nothing uses.
#[utoipa::path(
    delete,
    path = "/v1/policy-templates/{id}",
    tag = "Policy templates",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("policy_templates:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<PolicyTemplateId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.policy_template_delete(&asked.request, id).await?))
}
