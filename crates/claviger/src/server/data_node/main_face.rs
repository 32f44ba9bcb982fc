//! What a data node answers on its main address: forward-auth, and how it is.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use claviger_edge::{FORWARD_AUTH_PATH, ForwardAuth};
use claviger_node::DataNode;
use claviger_wire::Problem;
use futures::future::{FutureExt as _, ready};
use http_body_util::Full;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::super::deciding::Deciding;
use super::super::{faces, listeners};
use crate::configuration::Configuration;

/// Answers until `stop` is cancelled.
pub(super) fn serve(
    listener: TcpListener,
    configuration: &Configuration,
    deciding: &Deciding,
    node: &Arc<DataNode>,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let face = MainFace {
        forward_auth: Arc::new(faces::forward_auth(configuration, deciding)),
        node: Arc::clone(node),
    };
    let answer = move |request, peer| face.answer(request, peer).map(Ok);
    claviger_edge::serve(listener, listeners::limits(), answer, stop.clone().cancelled_owned())
}

#[derive(Clone)]
struct MainFace {
    forward_auth: Arc<ForwardAuth>,
    node: Arc<DataNode>,
}

impl MainFace {
    fn answer<B: Send + 'static>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + use<B> {
        if request.uri().path() == FORWARD_AUTH_PATH {
            return self.forward_auth.answer(request, peer.ip()).left_future();
        }
        ready(self.tell(request.uri().path())).right_future()
    }

    /// How the node is.
    fn tell(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/healthz" => json(StatusCode::OK, "application/json", br#"{"status":"ok"}"#.to_vec()),
            "/readyz" if self.node.standing().deciding() => {
                json(StatusCode::OK, "application/json", br#"{"status":"ready"}"#.to_vec())
            }
            "/readyz" => {
                let detail =
                    "The data node has not read the log yet, or not for longer than `doors.max_staleness`.";
                problem(StatusCode::SERVICE_UNAVAILABLE, "behind", detail)
            }
            _ => {
                let detail = "A data node answers forward-auth, /healthz and /readyz here; the REST API is that of \
                              `claviger serve`.";
                problem(StatusCode::NOT_FOUND, "not_found", detail)
            }
        }
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Full<Bytes>> {
    let mut problem =
        Problem::new(status.as_u16(), status.canonical_reason().unwrap_or_default(), code, detail);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        problem.not_ready = Some(vec![code.to_owned()]);
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = json(status, "application/problem+json", body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(1));
    }
    response
}

fn json(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
