//! Connections that changed to another protocol, WebSocket for one: bytes go both ways until either side ends,
//! nothing moves for too long, or the call is cut.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use super::open::OpenCall;

const BUFFER: usize = 16 << 10;

/// Carries what both sides say.
pub(super) async fn carry(caller: OnUpgrade, upstream: OnUpgrade, call: Arc<OpenCall>, patience: Duration) {
    let carried = async {
        let (caller, upstream) = tokio::try_join!(caller, upstream).map_err(io::Error::other)?;
        let (from_caller, to_caller) = split(TokioIo::new(caller));
        let (from_upstream, to_upstream) = split(TokioIo::new(upstream));
        tokio::try_join!(
            pump(from_caller, to_upstream, |bytes| call.receive(bytes)),
            pump(from_upstream, to_caller, |bytes| call.send(bytes))
        )
    };
    let ended = tokio::select! {
        carried = carried => carried.err().map(|error| error.to_string()),
        () = call.cut().cancelled() => Some("cut".to_owned()),
        () = call.idle(patience) => Some("idle".to_owned()),
    };
    if let Some(reason) = ended {
        tracing::debug!(?call, reason, "an upgraded connection ended");
    }
}

/// One direction, to its end, which is passed on.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: impl Fn(usize),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        moved(read);
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
    }
}
