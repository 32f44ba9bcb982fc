//! `/v1/key-sets`: the credentials of an Application in an Environment, and their life.

use axum::extract::State;
use claviger_domain::id::{KeyId, KeySetId};
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::key_sets as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At, Within};
use crate::asked::Asked;
use crate::body::{Act, Batch, Json};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(bulk))
        .routes(routes!(read, update))
        .routes(routes!(suspend))
        .routes(routes!(activate))
        .routes(routes!(regenerate))
        .routes(routes!(revoke))
        .routes(routes!(issue))
        .routes(routes!(retrieve))
        .routes(routes!(set_policy))
        .routes(routes!(timeline))
        .routes(routes!(authorized_apis))
        .routes(routes!(impact))
        .routes(routes!(revoke_key))
}

/// Lists Key Sets. Dates are those of the LATEST Key; different filters combine with AND.
#[utoipa::path(
    get,
    path = "/v1/key-sets",
    tag = "Key Sets",
    params(("q" = Option<String>, Query, description = "Part of the name, the Application, the id or the masked ends, in any case."), ("status" = Option<Vec<String>>, Query, description = "`pending`, `active`, `suspended`, `revoked` or `expired`."), ("auth_type" = Option<Vec<String>>, Query, description = "`api_key`, `api_key_and_secret` or `basic`."), ("api_id" = Option<Vec<String>>, Query, description = "Only those that this API, by id or slug, is subscribed with."), ("application_id" = Option<Vec<String>>, Query, description = "Only of this Application."), ("environment_id" = Option<Vec<String>>, Query, description = "Only in this Environment, by id or slug."), ("policy_template_id" = Option<Vec<String>>, Query, description = "Only with a policy copied from this template."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group."), ("created_after" = Option<String>, Query, description = "When LATEST was created: this instant or later."), ("created_before" = Option<String>, Query, description = "When LATEST was created: before this instant."), ("provisioned_after" = Option<String>, Query, description = "When LATEST was provisioned: this instant or later."), ("provisioned_before" = Option<String>, Query, description = "When LATEST was provisioned: before this instant."), ("rotation_due_after" = Option<String>, Query, description = "When rotation is due: this instant or later."), ("rotation_due_before" = Option<String>, Query, description = "When rotation is due: before this instant."), ("expires_after" = Option<String>, Query, description = "When LATEST expires: this instant or later."), ("expires_before" = Option<String>, Query, description = "When LATEST expires: before this instant."), ("revoked_after" = Option<String>, Query, description = "When LATEST was revoked: this instant or later."), ("revoked_before" = Option<String>, Query, description = "When LATEST was revoked: before this instant."), ("last_used_after" = Option<String>, Query, description = "When LATEST was last used: this instant or later."), ("last_used_before" = Option<String>, Query, description = "When LATEST was last used: before this instant.")),
    responses((status = 200, body = Page<wire::KeySet>)),
    extensions(("x-permission" = json!("key_sets:read")), ("x-sorts" = json!(["created_at", "name", "provisioned_at", "rotation_due_at", "expires_at", "revoked_at"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::KeySet>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.key_set_list(&request, &given).await?))
}

/// Reads a Key Set with its chain of Keys.
#[utoipa::path(
    get,
    path = "/v1/key-sets/{id}",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
) -> Answered<Tagged<wire::KeySet>> {
    Ok(Tagged(app.service.key_set_read(&asked.request, id).await?))
}

/// Renames a Key Set.
#[utoipa::path(
    patch,
    path = "/v1/key-sets/{id}",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::KeySet>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_set_update(&request, id, &body).await?))
}

/// Suspends a Key Set: every living Key of it is refused at once.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/suspend",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:suspend")))
)]
pub(crate) async fn suspend(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_suspend(&request, id, &act).await?))
}

/// Activates a Suspended Key Set: the same values work again.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/activate",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:activate")))
)]
pub(crate) async fn activate(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_activate(&request, id, &act).await?))
}

/// Replaces the LATEST Key; the old one ends at once or after the overlap of the policy.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/regenerate",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:regenerate")))
)]
pub(crate) async fn regenerate(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_regenerate(&request, id, &act).await?))
}

/// Revokes a Key Set, for good.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/revoke",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:revoke")))
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_revoke(&request, id, &act).await?))
}

/// Issues a new Key on a Key Set whose LATEST is dead.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/issue",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:issue")))
)]
pub(crate) async fn issue(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_issue(&request, id, &act).await?))
}

/// Opens the value of a Key, where the policy allows it. The log says so before it is shown.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/retrieve",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id."), ("key_id" = Option<String>, Query, description = "Of this Key; left out: of LATEST.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Retrieved)),
    extensions(("x-permission" = json!("key_sets:retrieve")))
)]
pub(crate) async fn retrieve(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Retrieved>> {
    let key_id = asked.query.once("key_id")?.map(str::to_owned);
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_retrieve(&request, id, key_id.as_deref(), &act).await?))
}

/// Puts the present version of a template on a Key Set, with or without new dates for its living Key.
#[utoipa::path(
    put,
    path = "/v1/key-sets/{id}/policy",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::PutPolicy,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:policy")))
)]
pub(crate) async fn set_policy(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
    body: Json<wire::PutPolicy>,
) -> Answered<Done<wire::KeySet>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_set_set_policy(&request, id, &body).await?))
}

/// Tells the planned and actual dates of all Keys, past and future.
#[utoipa::path(
    get,
    path = "/v1/key-sets/{id}/timeline",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Timeline)),
    extensions(("x-permission" = json!("key_sets:read")))
)]
pub(crate) async fn timeline(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
) -> Answered<Shown<wire::Timeline>> {
    Ok(Shown(app.service.key_set_timeline(&asked.request, id).await?))
}

/// Lists the APIs that a Key Set opens.
#[utoipa::path(
    get,
    path = "/v1/key-sets/{id}/authorized-apis",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group."), ("q" = Option<String>, Query, description = "Part of the name, in any case.")),
    responses((status = 200, body = Page<wire::AuthorizedApi>)),
    extensions(("x-permission" = json!("key_sets:read")), ("x-sorts" = json!(["created_at", "name", "slug"])))
)]
pub(crate) async fn authorized_apis(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
) -> Answered<Shown<Page<wire::AuthorizedApi>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.key_set_authorized_apis(&request, id, &given).await?))
}

/// Says what an act would break, before it is done. It warns; nothing is blocked.
#[utoipa::path(
    get,
    path = "/v1/key-sets/{id}/impact",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id."), ("act" = Option<String>, Query, description = "The act whose consequences are asked for: `suspend`, `regenerate` or `revoke`.")),
    responses((status = 200, body = acts::Impact)),
    extensions(("x-permission" = json!("key_sets:read")))
)]
pub(crate) async fn impact(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeySetId>,
) -> Answered<Shown<acts::Impact>> {
    let act = asked.query.once("act")?;
    Ok(Shown(app.service.key_set_impact(&asked.request, id, act).await?))
}

/// Ends a living Key that is not LATEST before its time.
#[utoipa::path(
    post,
    path = "/v1/key-sets/{id}/keys/{key_id}/revoke",
    tag = "Key Sets",
    params(("id" = String, Path, description = "The id."), ("key_id" = String, Path, description = "The id of the Key.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::KeySet)),
    extensions(("x-permission" = json!("key_sets:revoke")))
)]
pub(crate) async fn revoke_key(
    State(app): State<App>,
    asked: Asked,
    Within(id, key_id): Within<KeySetId, KeyId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::KeySet>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.key_set_revoke_key(&request, id, key_id, &act).await?))
}

/// Does one act on up to 1,000 Key Sets, with one outcome each.
///
/// Needs the permission of the act on each of them.
#[utoipa::path(
    post,
    path = "/v1/key-sets/bulk",
    tag = "Key Sets",
    request_body = wire::Bulk,
    responses((status = 200, body = wire::BulkOutcomes)),
)]
pub(crate) async fn bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<wire::Bulk>,
) -> Answered<Done<wire::BulkOutcomes>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_set_bulk(&request, &body).await?))
}
