//! The whole REST face, as a server under it asks it. Deciding, which is asked for at every call of an API,
//! stands before all routing; the rest goes through the router.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use claviger_service::Service;
use claviger_service::ambient::Entropy;
use futures::future::FutureExt as _;
use http::{Method, Request, Response};
use http_body_util::{Either, Full};
use tower::Service as _;

use crate::app::{App, Options};
use crate::body::Arriving;
use crate::frame::Frame;
use crate::verify::VERIFY_PATH;
use crate::{router, source, verify};

/// The body of an answer: whole, or as a route gives it.
pub type AnswerBody = Either<Full<Bytes>, Body>;

/// The REST API of one service.
#[derive(Debug)]
pub struct Face {
    app: App,
    frame: Frame,
    router: Router,
}

impl Face {
    pub fn new(service: Service, entropy: &dyn Entropy, options: Options) -> Self {
        let frame = Frame::new(entropy, options.prefix().to_owned());
        let (app, router) = router::of(service, options, &frame);
        Self { app, frame, router }
    }

    /// All routes, to be mounted where another server stands under them.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Answers a request that came in on a connection of `peer`.
    pub fn answer<B>(
        &self,
        mut request: Request<B>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<AnswerBody>> + Send + use<B>
    where
        B: Arriving + Send + 'static,
    {
        if request.method() == Method::POST && request.uri().path() == VERIFY_PATH {
            let source = source::client(peer.ip(), request.headers(), &self.app.options.trusted);
            let decided = self.frame.around(VERIFY_PATH, request, source, &self.app, verify::decide);
            return decided.map(|decided| decided.map(Either::Left)).left_future();
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = self.router.clone().call(request);
        answered
            .map(|answered| answered.unwrap_or_else(|never| match never {}).map(Either::Right))
            .right_future()
    }
}
