//! A connection that is kept, one call at a time.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No call takes as long; one that does is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// To one address; made at the first call, and anew after one that failed.
#[derive(Debug, Default)]
pub(crate) struct Connection(Option<(SocketAddr, SendRequest<Full<Bytes>>)>);

impl Connection {
    /// The whole answer, or why there is none.
    pub(crate) async fn call(
        &mut self,
        address: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let answered = timeout(PATIENCE, self.exchange(address, request)).await;
        let answer = answered.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        if answer.is_err() {
            self.0 = None;
        }
        answer
    }

    async fn exchange(
        &mut self,
        address: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let sender = self.open(address).await?;
        let (parts, body) =
            sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    async fn open(&mut self, address: SocketAddr) -> Result<&mut SendRequest<Full<Bytes>>, String> {
        // A server may close a connection between two calls; what was never sent is not lost.
        let kept = match &mut self.0 {
            Some((to, sender)) => *to == address && sender.ready().await.is_ok(),
            None => false,
        };
        if !kept {
            let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            let (sender, connection) =
                handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            self.0 = Some((address, sender));
        }
        Ok(&mut self.0.as_mut().expect("a connection").1)
    }
}
