//! `/v1/members`: people of an Organization, and the roles granted to them.

use axum::extract::State;
use claviger_domain::id::{MemberId, RoleGrantId};
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::bulk::Bulk;
use claviger_wire::members as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At, Within};
use crate::asked::Asked;
use crate::body::{Batch, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(create_bulk))
        .routes(routes!(read, update, delete))
        .routes(routes!(grant_role))
        .routes(routes!(revoke_role))
}

/// Lists members.
#[utoipa::path(
    get,
    path = "/v1/members",
    tag = "Members",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group.")),
    responses((status = 200, body = Page<wire::Member>)),
    extensions(("x-permission" = json!("members:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Member>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.member_list(&request, &given).await?))
}

/// Adds a member.
#[utoipa::path(
    post,
    path = "/v1/members",
    tag = "Members",
    request_body = wire::Create,
    responses((status = 201, body = wire::Member)),
    extensions(("x-permission" = json!("members:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Member>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.member_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/members/bulk",
    tag = "Members",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Member>)),
    extensions(("x-permission" = json!("members:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Member>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.member_create_bulk(&request, &body).await?))
}

/// Reads a member, with the roles held.
#[utoipa::path(
    get,
    path = "/v1/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Member)),
    extensions(("x-permission" = json!("members:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<MemberId>,
) -> Answered<Tagged<wire::Member>> {
    Ok(Tagged(app.service.member_read(&asked.request, id).await?))
}

/// Renames a member, or changes the member's Groups.
#[utoipa::path(
    patch,
    path = "/v1/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Member)),
    extensions(("x-permission" = json!("members:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<MemberId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Member>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.member_update(&request, id, &body).await?))
}

/// Removes a member. The last owner stays.
#[utoipa::path(
    delete,
    path = "/v1/members/{id}",
    tag = "Members",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("members:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<MemberId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.member_delete(&asked.request, id).await?))
}

/// Gives a member a role at a scope. Nobody gives what they have not.
#[utoipa::path(
    post,
    path = "/v1/members/{id}/role-grants",
    tag = "Members",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Grant,
    responses((status = 201, body = wire::Role)),
    extensions(("x-permission" = json!("role_grants:create")))
)]
pub(crate) async fn grant_role(
    State(app): State<App>,
    asked: Asked,
    At(id): At<MemberId>,
    body: Json<wire::Grant>,
) -> Answered<Done<wire::Role>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.role_grant_create(&request, id, &body).await?))
}

/// Takes a role from a member. The last owner keeps theirs.
#[utoipa::path(
    delete,
    path = "/v1/members/{id}/role-grants/{role_grant_id}",
    tag = "Members",
    params(("id" = String, Path, description = "The id."), ("role_grant_id" = String, Path, description = "The id of the role grant.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("role_grants:delete")))
)]
pub(crate) async fn revoke_role(
    State(app): State<App>,
    asked: Asked,
    Within(id, role_grant_id): Within<MemberId, RoleGrantId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.role_grant_delete(&asked.request, id, role_grant_id).await?))
}
