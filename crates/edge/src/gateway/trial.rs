//! A call that the process itself makes through the gateway, for a visitor of the portal: over a connection that never
//! leaves memory, and on from there as any other call goes. Bounded in size and time; redirects are answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Gateway;
use crate::serve::{Connection, Hold};

/// How much of a call is on its way at once.
const BUFFER: usize = 64 << 10;

/// How far a trial may go.
#[derive(Debug, Clone, Copy)]
pub struct TrialLimits {
    /// How much of the answer is kept, in bytes.
    pub answer_bytes: usize,
    /// How long it may take, from its beginning to the end of the answer.
    pub time: Duration,
}

/// What a trial was answered.
#[derive(Debug)]
pub struct TrialAnswer {
    pub response: Response<Bytes>,
    /// Whether the answer went on, or was not over in time.
    pub truncated: bool,
}

/// Why there was no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrialFailure {
    #[error("no answer began in time")]
    TimedOut,
    #[error("the connection broke before an answer began")]
    Broken,
}

impl Gateway {
    /// Makes the call as if `peer` did. Whatever becomes of it, nothing of it is left when this ends.
    pub async fn try_call(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
        peer: SocketAddr,
        limits: TrialLimits,
    ) -> Result<TrialAnswer, TrialFailure> {
        let ends = Instant::now() + limits.time;
        // Dropped, it ends both sides of the connection.
        let mut sides = JoinSet::new();
        let answering = self.begin(request, peer, &mut sides);
        let response = match tokio::time::timeout_at(ends, answering).await {
            Ok(Some(response)) => response,
            Ok(None) => return Err(TrialFailure::Broken),
            Err(_) => return Err(TrialFailure::TimedOut),
        };
        let (parts, mut body) = response.into_parts();
        let mut kept = BytesMut::new();
        let whole = tokio::time::timeout_at(ends, fill(&mut body, &mut kept, limits.answer_bytes)).await;
        let response = Response::from_parts(parts, kept.freeze());
        Ok(TrialAnswer { response, truncated: whole != Ok(true) })
    }

    /// The beginning of the answer, if one began.
    async fn begin(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
        peer: SocketAddr,
        sides: &mut JoinSet<()>,
    ) -> Option<Response<Incoming>> {
        let (near, far) = tokio::io::duplex(BUFFER);
        let (gateway, connection) = (Arc::clone(self), Connection { peer, tls: false, hold: Hold::alone() });
        let end = connection.hold.end.clone();
        let service = service_fn(move |request| {
            let answered = gateway.answer(request, &connection);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        sides.spawn(async move {
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
            if let Some(Err(error)) = end.run_until_cancelled(serving).await {
                tracing::debug!(%error, "a call that was tried broke");
            }
        });
        let (mut sender, calling) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.ok()?;
        sides.spawn(async move { drop(calling.await) });
        sender.send_request(request).await.ok()
    }
}

/// Reads until the end, as much as may be kept; whether that was all.
async fn fill(body: &mut Incoming, kept: &mut BytesMut, most: usize) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Some(data) = frame.data_ref() else { continue };
        let room = most - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return false;
        }
    }
    true
}
