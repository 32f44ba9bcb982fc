//! `/v1/nodes`: the processes that decide, and how far behind the log each is.

use axum::extract::State;
use claviger_domain::id::NodeId;
use claviger_service::request::Gone;
use claviger_wire::Page;
use claviger_wire::nodes as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Done, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, delete))
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

/// Removes a node that is gone.
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
