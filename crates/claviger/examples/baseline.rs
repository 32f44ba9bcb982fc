//! What `cargo xtask bench` measures the doors against: the same runtime, allocator and server, and nothing
//! decided. On one address a JSON echo in the frame of the REST API, on another a bare hyper hello, on the third the
//! same hello in the doors' own server, which bounds what a peer may cost.
//!
//! `baseline ECHO_ADDRESS HELLO_ADDRESS SERVED_ADDRESS ANSWER`, the answer being one of `POST /v1/verify` as JSON.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use claviger_edge::Limits;
use claviger_service::ambient::SystemEntropy;
use claviger_wire::verify::{Decision, Question};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &'static str| arguments.next().context(what);
    let echo: SocketAddr = next("the echo's address")?.parse()?;
    let hello: SocketAddr = next("the hello's address")?.parse()?;
    let served: SocketAddr = next("the served hello's address")?.parse()?;
    let answer: Decision = serde_json::from_str(&next("the answer")?)?;
    // As the program makes its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let echo = TcpListener::bind(echo).await?;
        let hello = TcpListener::bind(hello).await?;
        let served = TcpListener::bind(served).await?;
        tokio::spawn(bare(hello));
        let answer_hello = |request, _| greet(request);
        tokio::spawn(claviger_edge::serve(served, Limits::DEFAULT, answer_hello, std::future::pending()));
        let answer = claviger_api::answering(echo_routes(answer));
        claviger_edge::serve(echo, Limits::DEFAULT, answer, std::future::pending()).await;
        Ok(())
    })
}

/// The question is read and an answer of the same size is written, as axum does both.
fn echo_routes(answer: Decision) -> Router {
    let echo = async |State(answer): State<Arc<Decision>>, Json(question): Json<Question>| {
        Json(Decision { environment: question.api, ..Decision::clone(&answer) })
    };
    let routes = Router::new().route("/v1/verify", post(echo)).with_state(Arc::new(answer));
    claviger_api::in_frame(routes, &SystemEntropy)
}

async fn bare(listener: TcpListener) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let connection = builder.serve_connection(TokioIo::new(stream), service_fn(greet)).into_owned();
        tokio::spawn(connection);
    }
}

/// As many headers as forward-auth answers with, and no body.
async fn greet(_: Request<hyper::body::Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-claviger-code", "valid"),
        ("x-claviger-application", "app_01kbj0q4v6e3x8y2m5n7p9r1s3"),
        ("x-claviger-key-id", "key_01kbj0q4v6e3x8y2m5n7p9r1s3"),
        ("x-claviger-environment", "production"),
        ("x-request-id", "req_0123456789ab000001"),
    ] {
        response.headers_mut().insert(
            hyper::header::HeaderName::from_static(name),
            hyper::header::HeaderValue::from_static(value),
        );
    }
    Ok(response)
}
