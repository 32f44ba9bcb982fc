//! What answers on the main address: until the database is initialised, that it is not; from then on the
//! faces of the service. The address is taken once, so that a proxy in front sees one server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use claviger_api::{AnswerBody, Arriving, Face};
use claviger_edge::{FORWARD_AUTH_PATH, ForwardAuth, Limits};
use claviger_wire::Problem;
use futures::future::{FutureExt as _, ready};
use http_body_util::Full;
use tokio::net::TcpListener;

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
    pub(super) rest: Face,
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

    /// Answers on `listener` until `stop` is done.
    pub(super) async fn serve(self, listener: TcpListener, limits: Limits, stop: impl Future<Output = ()>) {
        let answer = move |request, peer| self.answer(request, peer).map(Ok);
        claviger_edge::serve(listener, limits, answer, stop).await;
    }

    /// Answers what comes in on a connection of `peer`.
    fn answer<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<AnswerBody>> + Send + use<B>
    where
        B: Arriving + Send + 'static,
    {
        let whole = |response: Response<Full<Bytes>>| response.map(http_body_util::Either::Left);
        match self.0.faces.get() {
            Some(faces) if request.uri().path() == FORWARD_AUTH_PATH => {
                faces.forward_auth.answer(request, peer.ip()).map(whole).left_future()
            }
            Some(faces) => faces.rest.answer(request, peer).left_future().right_future(),
            None => ready(whole(self.not_yet(request.uri().path()))).right_future().right_future(),
        }
    }

    fn not_yet(&self, path: &str) -> Response<Full<Bytes>> {
        if path == "/healthz" {
            let mut response = Response::new(Full::from(r#"{"status":"ok"}"#));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return response;
        }
        if self.0.initialised.load(Ordering::Relaxed) {
            not_ready("behind", STARTING)
        } else {
            not_ready("not_initialised", NOT_INITIALISED)
        }
    }
}

fn not_ready(code: &str, detail: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut problem = Problem::new(status.as_u16(), "Service Unavailable", code, detail);
    problem.not_ready = Some(vec![code.to_owned()]);
    let mut response = Response::new(Full::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(RETRY_AFTER, HeaderValue::from(1));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn ask(switchboard: &Switchboard, path: &str) -> (u16, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let stranger = SocketAddr::from(([192, 0, 2, 1], 40_000));
        let response = switchboard.answer(request, stranger).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
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
    }
}
