//! Calls that visitors of the portal try, through this process's own gateway: a few at a time, bounded in size and time.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claviger_api::{TrialDoor, TrialFault, TrialReply};
use claviger_edge::{Gateway, TrialFailure, TrialLimits};
use futures::future::{BoxFuture, FutureExt as _};
use http::Request;
use http_body_util::Full;
use tokio::sync::Semaphore;

/// How many calls are tried at once.
const AT_ONCE: usize = 16;
/// How far each may go.
const LIMITS: TrialLimits = TrialLimits { answer_bytes: 1 << 20, time: Duration::from_secs(15) };

/// The gateway, with a few places for trials.
pub(super) struct Trials {
    gateway: Arc<Gateway>,
    places: Arc<Semaphore>,
}

impl Trials {
    pub(super) fn through(gateway: Arc<Gateway>) -> Self {
        Self { gateway, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl fmt::Debug for Trials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trials").field("places", &self.places.available_permits()).finish_non_exhaustive()
    }
}

impl TrialDoor for Trials {
    fn call(
        &self,
        request: Request<Bytes>,
        source: IpAddr,
    ) -> BoxFuture<'static, Result<TrialReply, TrialFault>> {
        let (gateway, places) = (Arc::clone(&self.gateway), Arc::clone(&self.places));
        async move {
            let _place = places.try_acquire_owned().map_err(|_| TrialFault::Full)?;
            // It came by no port.
            let peer = SocketAddr::new(source, 0);
            let answer = gateway.try_call(request.map(Full::new), peer, LIMITS).await;
            let answer = answer.map_err(|failure| match failure {
                TrialFailure::TimedOut => TrialFault::TimedOut,
                TrialFailure::Broken => TrialFault::Away,
            })?;
            Ok(TrialReply { response: answer.response, truncated: answer.truncated })
        }
        .boxed()
    }
}
