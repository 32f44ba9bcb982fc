//! `/v1/nodes`: the processes that decide, and how far behind the log each is.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claviger_domain::id::NodeId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::nodes as wire;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::body::Json;
use crate::portal::Stranger;
use crate::refused::Refused;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, delete))
        .routes(routes!(enroll))
        .routes(routes!(join))
}

/// Lists nodes.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    tag = "Nodes",
    params(("q" = Option<String>, Query, description = "Part of the name, in any case.")),
    responses((status = 200, body = Page<wire::Node>)),
    extensions(("x-permission" = json!("nodes:read")), ("x-sorts" = json!(["created_at", "name"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Shown<Page<wire::Node>>> {
    let (request, given) = asked.list();
    Ok(Shown(app.service.node_list(&request, &given).await?))
}

/// Reads a node.
#[utoipa::path(
    get,
    path = "/v1/nodes/{id}",
    tag = "Nodes",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Node)),
    extensions(("x-permission" = json!("nodes:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<NodeId>,
) -> Answered<Tagged<wire::Node>> {
    Ok(Tagged(app.service.node_read(&asked.request, id).await?))
}

/// Removes a control node that is gone, or ends the enrolment of a data node: it decides nothing any more as soon as it
/// hears of that.
#[utoipa::path(
    delete,
    path = "/v1/nodes/{id}",
    tag = "Nodes",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 204, description = "Deleted.")),
    extensions(("x-permission" = json!("nodes:delete")))
)]
pub(crate) async fn delete(State(app): State<App>, asked: Asked, At(id): At<NodeId>) -> Answered<Done<Gone>> {
    Ok(Done(app.service.node_delete(&asked.request, id).await?))
}

/// Makes the one-time token by which a data node enrols within the hour. It is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/nodes/enroll",
    tag = "Nodes",
    request_body = wire::PostEnrollment,
    responses((status = 200, body = wire::Enrollment)),
    extensions(("x-permission" = json!("nodes:enroll")))
)]
pub(crate) async fn enroll(
    State(app): State<App>,
    asked: Asked,
    body: Json<wire::PostEnrollment>,
) -> Answered<Done<wire::Enrollment>> {
    let (request, body) = asked.with(body);
    Ok(Done(app.service.node_enroll(&request, &body).await?))
}

/// Enrols the data node that holds the token, which is used up by that. The keys that it decides with are encrypted to
/// its own keeper.
#[utoipa::path(
    post,
    path = "/v1/nodes/join",
    tag = "Nodes",
    request_body = wire::PostJoin,
    responses((status = 201, body = wire::Joined))
)]
pub(crate) async fn join(
    State(app): State<App>,
    Stranger(source): Stranger,
    body: Json<wire::PostJoin>,
) -> Answered<Enrolled> {
    let joined = app.service.node_join(source, &body.into_value()).await.map_err(Refused::of_newcomer)?;
    Ok(Enrolled(joined))
}

/// What a node gets for its token.
pub(crate) struct Enrolled(wire::Joined);

impl IntoResponse for Enrolled {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, axum::Json(self.0)).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Refused {
    /// Newcomers have tokens, not service keys.
    fn of_newcomer(error: claviger_service::Error) -> Self {
        match error {
            claviger_service::Error::SignIn(_) => Self::new(
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "The token is unknown, used or older than an hour: make another with `claviger gateway enroll`.",
            )
            .challenge(),
            error => error.into(),
        }
    }
}
