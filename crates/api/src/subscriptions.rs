//! `/v1/subscriptions`: an Application's right to call an API in an Environment.

use axum::extract::State;
use claviger_domain::id::SubscriptionId;
use claviger_wire::Page;
use claviger_wire::acts;
use claviger_wire::bulk::Bulk;
use claviger_wire::subscriptions as wire;
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
        .routes(routes!(read, update))
        .routes(routes!(accept))
        .routes(routes!(reject))
        .routes(routes!(end))
        .routes(routes!(renew))
}

/// Lists Subscriptions, of the subscriber and of the provider alike.
#[utoipa::path(
    get,
    path = "/v1/subscriptions",
    tag = "Subscriptions",
    params(("q" = Option<String>, Query, description = "Part of the name of the Application or the API, in any case."), ("key_set_id" = Option<Vec<String>>, Query, description = "Only those that use this Key Set."), ("status" = Option<Vec<String>>, Query, description = "`pending`, `active`, `rejected` or `ended`."), ("application_id" = Option<Vec<String>>, Query, description = "Only of this Application."), ("api_id" = Option<Vec<String>>, Query, description = "Only to this API, by id or slug."), ("environment_id" = Option<Vec<String>>, Query, description = "Only in this Environment, by id or slug."), ("organization_id" = Option<Vec<String>>, Query, description = "Only of this Organization; given twice, of either."), ("group_id" = Option<Vec<String>>, Query, description = "Only of this Group.")),
    responses((status = 200, body = Page<wire::Subscription>)),
    extensions(("x-permission" = json!("subscriptions:read")), ("x-sorts" = json!(["created_at"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Subscription>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.subscription_list(&request, &given).await?))
}

/// Subscribes an Application to an API in an Environment. A Key Set is made or reused for each auth type of the API; values newly issued under a shown-once policy are in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/subscriptions",
    tag = "Subscriptions",
    request_body = wire::Create,
    responses((status = 201, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:create")))
)]
pub(crate) async fn create(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::Create>,
) -> Answered<Done<wire::Subscription>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.subscription_create(&request, &body).await?))
}

/// Adds up to 1,000, all or none.
#[utoipa::path(
    post,
    path = "/v1/subscriptions/bulk",
    tag = "Subscriptions",
    request_body = Bulk<wire::Create>,
    responses((status = 201, body = Bulk<wire::Subscription>)),
    extensions(("x-permission" = json!("subscriptions:create")))
)]
pub(crate) async fn create_bulk(
    State(app): State<App>,
    asked: Asked,
    body: Batch<Bulk<wire::Create>>,
) -> Answered<Done<Bulk<wire::Subscription>>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.subscription_create_bulk(&request, &body).await?))
}

/// Reads a Subscription.
#[utoipa::path(
    get,
    path = "/v1/subscriptions/{id}",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
) -> Answered<Tagged<wire::Subscription>> {
    Ok(Tagged(app.service.subscription_read(&asked.request, id).await?))
}

/// Changes which of the API's own permissions it holds, felt at once.
#[utoipa::path(
    patch,
    path = "/v1/subscriptions/{id}",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    request_body = wire::Update,
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:update")))
)]
pub(crate) async fn update(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
    body: Json<wire::Update>,
) -> Answered<Done<wire::Subscription>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.subscription_update(&request, id, &body).await?))
}

/// Accepts a Pending Subscription; the dates of its Keys count from now.
#[utoipa::path(
    post,
    path = "/v1/subscriptions/{id}/accept",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:accept")))
)]
pub(crate) async fn accept(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Subscription>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.subscription_accept(&request, id, &act).await?))
}

/// Rejects a Pending Subscription, for good.
#[utoipa::path(
    post,
    path = "/v1/subscriptions/{id}/reject",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:reject")))
)]
pub(crate) async fn reject(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Subscription>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.subscription_reject(&request, id, &act).await?))
}

/// Ends a Subscription, for good; its Key Sets live on.
#[utoipa::path(
    post,
    path = "/v1/subscriptions/{id}/end",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:end")))
)]
pub(crate) async fn end(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Subscription>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.subscription_end(&request, id, &act).await?))
}

/// Makes or reuses a Key Set for each auth type of the API that has no living one.
#[utoipa::path(
    post,
    path = "/v1/subscriptions/{id}/renew",
    tag = "Subscriptions",
    params(("id" = String, Path, description = "The id.")),
    request_body = Option<acts::Act>,
    responses((status = 200, body = wire::Subscription)),
    extensions(("x-permission" = json!("subscriptions:renew")))
)]
pub(crate) async fn renew(
    State(app): State<App>,
    asked: Asked,
    At(id): At<SubscriptionId>,
    act: Act<acts::Act>,
) -> Answered<Done<wire::Subscription>> {
    let (request, act) = asked.with(act);
    Ok(Done(app.service.subscription_renew(&request, id, &act).await?))
}
