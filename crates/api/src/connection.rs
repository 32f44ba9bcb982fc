//! Between a router and the server under it: the peer of a connection goes along with each request.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::future::RouteFuture;
use http::Request;
use hyper::body::Incoming;
use tower::Service as _;

/// How `router` answers what comes in on a connection.
pub fn answering(
    router: Router,
) -> impl Fn(Request<Incoming>, SocketAddr) -> RouteFuture<Infallible> + Clone + Send + 'static {
    move |mut request, peer| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    }
}
