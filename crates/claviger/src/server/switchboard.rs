//! What answers on the main address: until the database is initialised, that it is not; from then on the
//! faces of the service. The address is taken once, so that a proxy in front sees one server.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use claviger_edge::{FORWARD_AUTH_PATH, ForwardAuth};
use claviger_wire::Problem;
use tower::ServiceExt as _;

const STARTING: &str = "The node is starting and has not read the log yet.";
const NOT_INITIALISED: &str =
    "The database was not initialised: run `claviger init --owner EMAIL` on the server.";

/// Switches from one to the other, once.
#[derive(Debug, Clone, Default)]
pub(super) struct Switchboard(Arc<Positions>);

#[derive(Debug, Default)]
struct Positions {
    initialised: AtomicBool,
    faces: OnceLock<Faces>,
}

/// What answers once the service is put together.
#[derive(Debug)]
pub(super) struct Faces {
    pub(super) rest: Router,
    /// Asked at every call of every API, so it stands before all routing.
    pub(super) forward_auth: Arc<ForwardAuth>,
}

impl Switchboard {
    /// The database is initialised; the faces are being put together.
    pub(super) fn begin(&self) {
        self.0.initialised.store(true, Ordering::Relaxed);
    }

    /// From here on these faces answer.
    pub(super) fn connect(&self, faces: Faces) {
        // A second call would be a second assembly of the same service: the first stays.
        let _ = self.0.faces.set(faces);
    }

    /// What is served on the address.
    pub(super) fn router(&self) -> Router {
        let switchboard = self.clone();
        Router::new().fallback(move |request: Request| switchboard.clone().answer(request))
    }

    async fn answer(self, request: Request) -> Response<Body> {
        match self.0.faces.get() {
            Some(faces) if request.uri().path() == FORWARD_AUTH_PATH => {
                faces.forward_auth.answer(&request, peer(&request)).map(Body::new)
            }
            Some(faces) => faces.rest.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
            None if request.uri().path() == "/healthz" => {
                ([(CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#).into_response()
            }
            None if self.0.initialised.load(Ordering::Relaxed) => not_ready("behind", STARTING),
            None => not_ready("not_initialised", NOT_INITIALISED),
        }
    }
}

/// Who opened the connection; the unspecified address, which nobody has, if that is not known.
fn peer(request: &Request) -> IpAddr {
    let known = request.extensions().get::<ConnectInfo<SocketAddr>>();
    known.map_or(IpAddr::from([0; 4]), |ConnectInfo(peer)| peer.ip())
}

fn not_ready(code: &str, detail: &str) -> Response<Body> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut problem = Problem::new(status.as_u16(), "Service Unavailable", code, detail);
    problem.not_ready = Some(vec![code.to_owned()]);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/problem+json"), (RETRY_AFTER, "1")];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use claviger_domain::time::Timestamp;
    use claviger_edge::{Dialect, Settings, TrustedPeers};
    use claviger_verify::{Failures, Index};

    use super::*;

    async fn ask(switchboard: &Switchboard, path: &str) -> (u16, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = switchboard.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A door that knows nothing.
    fn door() -> ForwardAuth {
        let settings = Settings {
            trusted: TrustedPeers::loopback(),
            dialect: Dialect::Forwarded,
            clock: Arc::new(|| Timestamp::MIN),
            request_id_prefix: "req".to_owned(),
        };
        ForwardAuth::new(Arc::new(Index::new(60)), Arc::default(), Arc::new(Failures::new(120)), settings)
    }

    #[tokio::test]
    async fn until_the_database_is_initialised_only_health_answers() {
        let switchboard = Switchboard::default();
        assert_eq!(ask(&switchboard, "/healthz").await.0, 200);
        for path in ["/readyz", "/v1/apis", "/nowhere"] {
            let (status, body) = ask(&switchboard, path).await;
            assert_eq!(status, 503);
            assert!(
                body.contains("\"code\":\"not_initialised\"") && body.contains("claviger init"),
                "{body}"
            );
        }
        switchboard.begin();
        assert!(ask(&switchboard, "/readyz").await.1.contains("\"code\":\"behind\""));
        switchboard.connect(Faces {
            rest: Router::new().route("/v1/apis", get(async || "the faces")),
            forward_auth: Arc::new(door()),
        });
        assert_eq!(ask(&switchboard, "/v1/apis").await, (200, "the faces".to_owned()));
        // A door answers no peer that it does not know.
        assert_eq!(ask(&switchboard, "/v1/forward-auth?api=orders").await.0, 403);
    }
}
