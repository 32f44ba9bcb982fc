//! Between a router and the server under it: the peer of a connection goes along with each request.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::ConnectInfo;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use tower::Service as _;

/// What `router` answers to a request that came in on a connection of `peer`.
pub fn answer<B>(router: &Router, mut request: Request<B>, peer: SocketAddr) -> RouteFuture<Infallible>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    request.extensions_mut().insert(ConnectInfo(peer));
    router.clone().call(request)
}

/// How `router` answers what comes in on a connection.
pub fn answering(
    router: Router,
) -> impl Fn(Request<Incoming>, SocketAddr) -> RouteFuture<Infallible> + Clone + Send + 'static {
    move |request, peer| answer(&router, request, peer)
}
