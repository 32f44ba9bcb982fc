//! `/v1/events`: the log, listed, exported, and where its chain stands.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claviger_service::{Export, Service};
use claviger_wire::Page;
use claviger_wire::events as wire;
use futures::stream::{self, Stream};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer::{Answered, Shown, Tagged};
use crate::app::{App, At};
use crate::asked::Asked;
use crate::query::FORMAT;
use crate::refused::Refused;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(proof)).routes(routes!(read))
}

/// Lists the log, newest first; with `format=ndjson` exports it, oldest first, one event a line.
///
/// An export takes the filters alone, needs the permission `events:export` too, and is in the log before its
/// first line.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "Events",
    params(
        ("format" = Option<String>, Query, description = "`json` (default) or `ndjson`."),
        ("kind" = Option<Vec<String>>, Query, description = "Such as `key_set.revoked`."),
        ("subject_id" = Option<Vec<String>>, Query, description = "What it happened to, by id."),
        ("subject_kind" = Option<Vec<String>>, Query, description = "What it happened to, such as `key_set`."),
        ("actor_id" = Option<Vec<String>>, Query, description = "Who did it, by id."),
        ("at_after" = Option<String>, Query, description = "This instant or later."),
        ("at_before" = Option<String>, Query, description = "Before this instant."),
        ("position_after" = Option<i64>, Query, description = "After this position: how a reader tails the log."),
    ),
    responses((status = 200, content(
        (Page<wire::Event> = "application/json"),
        (String = "application/x-ndjson"),
    ))),
    extensions(("x-permission" = json!("events:read")), ("x-sorts" = json!(["position"])))
)]
pub(crate) async fn list(State(app): State<App>, asked: Asked) -> Answered<Response> {
    let format = asked.query.once(FORMAT)?.map(str::to_owned);
    let (request, given) = asked.list();
    match format.as_deref() {
        None | Some("json") => Ok(Shown(app.service.event_list(&request, &given).await?).into_response()),
        Some("ndjson") => {
            let export = app.service.event_export(&request, &given).await?;
            Ok(ndjson(app.service.clone(), export))
        }
        Some(_) => Err(Refused::bad_query(FORMAT, "must be `json` or `ndjson`")),
    }
}

/// Tells where the hash chain stands. Whoever notes it can later show that the past was rewritten.
#[utoipa::path(
    get,
    path = "/v1/events/proof",
    tag = "Events",
    responses((status = 200, body = wire::Proof)),
    extensions(("x-permission" = json!("events:read")))
)]
pub(crate) async fn proof(State(app): State<App>, asked: Asked) -> Answered<Tagged<wire::Proof>> {
    Ok(Tagged(app.service.event_proof(&asked.request).await?))
}

/// Reads one event.
#[utoipa::path(
    get,
    path = "/v1/events/{id}",
    tag = "Events",
    params(("id" = String, Path, description = "The id.")),
    responses((status = 200, body = wire::Event)),
    extensions(("x-permission" = json!("events:read")))
)]
pub(crate) async fn read(
    State(app): State<App>,
    asked: Asked,
    At(id): At<String>,
) -> Answered<Tagged<wire::Event>> {
    Ok(Tagged(app.service.event_read(&asked.request, &id).await?))
}

/// An export as a body that is read from the log while it is sent, so that its length costs no memory.
fn ndjson(service: Service, export: Export) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from_stream(lines(service, export))).into_response()
}

/// A fault ends the body before its end, which the client sees.
fn lines(service: Service, export: Export) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold((service, export), |(service, mut export)| async move {
        let events = service.event_export_next(&mut export).await.map_err(|error| {
            tracing::error!(%error, "an export broke off");
            std::io::Error::other("the export broke off")
        })?;
        if events.is_empty() {
            return Ok(None);
        }
        let mut chunk = Vec::new();
        for event in &events {
            serde_json::to_writer(&mut chunk, event)?;
            chunk.push(b'\n');
        }
        Ok(Some((Bytes::from(chunk), (service, export))))
    })
}
