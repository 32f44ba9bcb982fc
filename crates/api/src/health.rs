//! `/healthz` and `/readyz`: does the process answer, and can it serve?

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claviger_service::Unavailable;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::Shown;
use crate::app::App;
use crate::refused::Refused;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `ready`.
    status: &'static str,
    /// What is away although the node serves: `limits_alone` where nodes should count rates and quotas together
    /// through Redis, and this one counts by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "Health", responses((status = 200, body = Health)))]
async fn healthz() -> Shown<Health> {
    Shown(Health { status: "ok", degraded: Vec::new() })
}

/// Whether the node can serve, and if not, why.
///
/// `not_ready` names every reason: `not_initialised`, `keeper_unavailable`, `database_unavailable`, `behind`;
/// the first is also the `code`. A node that serves with less than it should have names that in `degraded`.
#[utoipa::path(get, path = "/readyz", tag = "Health", responses((status = 200, body = Health)))]
async fn readyz(State(app): State<App>) -> Response {
    let reasons = app.service.not_ready().await;
    match reasons.first() {
        None => Shown(Health { status: "ready", degraded: app.service.degraded() }).into_response(),
        Some(first) => not_ready(*first, &reasons).into_response(),
    }
}

fn not_ready(first: Unavailable, reasons: &[Unavailable]) -> Refused {
    let names = reasons.iter().map(|reason| Refused::from(*reason).code().to_owned()).collect();
    Refused::from(first).with(|problem| problem.not_ready = Some(names))
}
