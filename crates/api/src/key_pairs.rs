//! `/v1/key-pairs`: pairs that the company uses towards others; who has access to each; the tokens that they sign,
//! and at `/.well-known/jwks.json` what checks those.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claviger_domain::id::{GroupId, KeyPairId, MemberId};
use claviger_domain::key_pairs::Grantee;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::key_pairs as wire;
use http::header::CACHE_CONTROL;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At, Within};
use crate::asked::Asked;
use crate::body::{Act, Json};

/// Whoever meets a token by a key that they don't know asks anew; what was taken back is gone after this.
const FIVE_MINUTES: &str = "public, max-age=300";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(replace))
        .routes(routes!(sign_jwt))
        .routes(routes!(attachments))
        .routes(routes!(acl))
        .routes(routes!(candidates))
        .routes(routes!(grant_everyone, revoke_everyone))
        .routes(routes!(grant_group, revoke_group))
        .routes(routes!(grant_member, revoke_member))
        .routes(routes!(jwk_set))
}

/// Lists the key pairs that the caller has access to.
#[utoipa::path(
    get,
    path = "/v1/key-pairs",
    tag = "Key pairs",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of these Organizations."), ("algorithm" = Option<Vec<String>>, Query, description = "`ed25519`, `ecdsa-p256`, `rsa-3072` or `rsa-4096`.")),
    responses((status = 200, body = Page<wire::KeyPair>)),
    extensions(("x-permission" = json!("key_pairs:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::KeyPair>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.key_pair_list(&request, &given).await?))
}

/// Makes a key pair inside the keeper. Its private half is sealed there and shown to nobody, ever. The caller is its
/// admin.
#[utoipa::path(
    post,
    path = "/v1/key-pairs",
    tag = "Key pairs",
    request_body = wire::Create,
    responses((status = 201, body = wire::KeyPair)),
    extensions(("x-permission" = json!("key_pairs:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::KeyPair>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_create(&request, &body).await?))
}

/// Reads a key pair: its public half, and what the caller may do with it.
#[utoipa::path(
    get,
    path = "/v1/key-pairs/{id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::KeyPair)),
    extensions(("x-permission" = json!("key_pairs:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Tagged<wire::KeyPair>> {
    Ok(Tagged(app.service.key_pair_read(&asked.request, id).await?))
}

/// Renames a key pair (`write` access), or publishes its public half (`admin`).
#[utoipa::path(
    patch,
    path = "/v1/key-pairs/{id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::KeyPair)),
    extensions(("x-permission" = json!("key_pairs:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::KeyPair>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_update(&request, id, &body).await?))
}

/// Deletes a key pair that nothing uses (`admin` access). Its private half is wiped.
#[utoipa::path(
    delete,
    path = "/v1/key-pairs/{id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("key_pairs:delete")))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.key_pair_delete(&asked.request, id).await?))
}

/// Makes a new pair beside this one (`admin` access), for the same uses and with the same access. This one stays as
/// it is until it is deleted, so that the other side can be given the new public half first.
#[utoipa::path(
    post,
    path = "/v1/key-pairs/{id}/replace",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id of the old one.")),
    request_body = Option<wire::Replace>,
    responses((status = 201, body = wire::KeyPair)),
    extensions(("x-permission" = json!("key_pairs:replace")))
)]
pub(crate) async fn replace(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
    body: Act<wire::Replace>,
) -> Answered<Done<wire::KeyPair>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_replace(&request, id, &body).await?))
}

/// Signs claims as a JSON Web Token (`write` access), with a pair that has the use `jwt`. Each is in the keeper's
/// journal before it is answered.
#[utoipa::path(
    post,
    path = "/v1/key-pairs/{id}/sign-jwt",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::SignJwt,
    responses((status = 200, body = wire::SignedJwt)),
    extensions(("x-permission" = json!("key_pairs:sign_jwt")))
)]
pub(crate) async fn sign_jwt(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
    body: Json<wire::SignJwt>,
) -> Answered<Response> {
    let (request, body) = asked.with(body);
    let signed = app.service.key_pair_sign_jwt(&request, id, &body).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Shown(signed)).into_response())
}

/// Reads what a key pair is attached to. An API that the caller can't see is null.
#[utoipa::path(
    get,
    path = "/v1/key-pairs/{id}/attachments",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Attachments)),
    extensions(("x-permission" = json!("key_pairs:read")))
)]
pub(crate) async fn attachments(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Tagged<wire::Attachments>> {
    Ok(Tagged(app.service.key_pair_attachments(&asked.request, id).await?))
}

/// Reads who has access to a key pair.
#[utoipa::path(
    get,
    path = "/v1/key-pairs/{id}/acl",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Acl)),
    extensions(("x-permission" = json!("key_pairs:read")))
)]
pub(crate) async fn acl(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Shown<wire::Acl>> {
    Ok(Shown(app.service.key_pair_acl(&asked.request, id).await?))
}

/// Finds Groups and members to whom access can be given (`admin` access): the first twenty of each.
#[utoipa::path(
    get,
    path = "/v1/key-pairs/{id}/acl/candidates",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id."), ("q" = Option<String>, Query, description = "Part of the name, in any case.")),
    responses((status = 200, body = wire::Candidates)),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn candidates(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Shown<wire::Candidates>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.key_pair_candidates(&request, id, &given).await?))
}

/// Gives everyone in the Organization access, or another level of it (`admin` access).
#[utoipa::path(
    put,
    path = "/v1/key-pairs/{id}/acl/everyone",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::PutGrant,
    responses((status = 200, body = wire::Grant)),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn grant_everyone(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
    body: Json<wire::PutGrant>,
) -> Answered<Done<wire::Grant>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_grant(&request, id, Grantee::Everyone, &body).await?))
}

/// Takes back what everyone in the Organization was given (`admin` access).
#[utoipa::path(
    delete,
    path = "/v1/key-pairs/{id}/acl/everyone",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Taken back.")),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn revoke_everyone(
    State(app): State<App>,
    asked: Asked,
    At(id): At<KeyPairId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.key_pair_revoke(&asked.request, id, Grantee::Everyone).await?))
}

/// Gives a Group access, or another level of it (`admin` access).
#[utoipa::path(
    put,
    path = "/v1/key-pairs/{id}/acl/group/{group_id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id."), ("group_id" = String, Path, description = "The Group's id.")),
    request_body = wire::PutGrant,
    responses((status = 200, body = wire::Grant)),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn grant_group(
    State(app): State<App>,
    asked: Asked,
    Within(id, group_id): Within<KeyPairId, GroupId>,
    body: Json<wire::PutGrant>,
) -> Answered<Done<wire::Grant>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_grant(&request, id, Grantee::Group(group_id), &body).await?))
}

/// Takes back what a Group was given (`admin` access).
#[utoipa::path(
    delete,
    path = "/v1/key-pairs/{id}/acl/group/{group_id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id."), ("group_id" = String, Path, description = "The Group's id.")),
    responses((status = 204, description = "Taken back.")),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn revoke_group(
    State(app): State<App>,
    asked: Asked,
    Within(id, group_id): Within<KeyPairId, GroupId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.key_pair_revoke(&asked.request, id, Grantee::Group(group_id)).await?))
}

/// Gives a member access, or another level of it (`admin` access).
#[utoipa::path(
    put,
    path = "/v1/key-pairs/{id}/acl/member/{member_id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id."), ("member_id" = String, Path, description = "The member's id.")),
    request_body = wire::PutGrant,
    responses((status = 200, body = wire::Grant)),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn grant_member(
    State(app): State<App>,
    asked: Asked,
    Within(id, member_id): Within<KeyPairId, MemberId>,
    body: Json<wire::PutGrant>,
) -> Answered<Done<wire::Grant>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.key_pair_grant(&request, id, Grantee::Member(member_id), &body).await?))
}

/// Takes back what a member was given (`admin` access).
#[utoipa::path(
    delete,
    path = "/v1/key-pairs/{id}/acl/member/{member_id}",
    tag = "Key pairs",
    params(("id" = String, Path, description = "The id."), ("member_id" = String, Path, description = "The member's id.")),
    responses((status = 204, description = "Taken back.")),
    extensions(("x-permission" = json!("key_pairs:acl")))
)]
pub(crate) async fn revoke_member(
    State(app): State<App>,
    asked: Asked,
    Within(id, member_id): Within<KeyPairId, MemberId>,
) -> Answered<Done<Gone>> {
    Ok(Done(app.service.key_pair_revoke(&asked.request, id, Grantee::Member(member_id)).await?))
}

/// Reads the public halves that check tokens: those of all pairs that are public and have the use `jwt`. Needs no
/// key.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Key pairs",
    responses((status = 200, body = wire::JwkSet))
)]
pub(crate) async fn jwk_set(State(app): State<App>) -> Answered<Response> {
    let set = app.service.jwk_set().await?;
    Ok(([(CACHE_CONTROL, FIVE_MINUTES)], Shown(set.as_ref())).into_response())
}
