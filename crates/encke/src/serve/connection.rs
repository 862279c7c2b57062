//! One connection, from its first byte to its last.

use super::{Heard, Limits, Peer, io::GuardedIo, peer::WithPeer};
use crate::{BoxError, Shutdown, shutdown};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower_service::Service;

/// How much hyper may hold of a connection's input, and of its output that the socket takes not.
const BUFFER_SIZE: usize = 64 << 10;

/// What the connections of one server have in common.
#[derive(Clone)]
pub(super) struct Connections<S> {
    pub(super) service: S,
    pub(super) limits: Limits,
    pub(super) shutdown: Shutdown,
}

impl<S, B> Connections<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves a connection until it ends; once the server shuts down, until its responses have.
    pub(super) async fn serve(self, stream: TcpStream) {
        let peer = Arc::new(Peer::new(self.shutdown.clone()));
        let io = GuardedIo::new(stream, self.limits.stall, peer.clone());
        let served = shutdown::tell(self.shutdown.clone(), self.http1(io, peer)).await;
        if let Err(error) = served {
            tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "connection ended"
            );
        }
    }

    async fn http1<IO>(self, io: IO, peer: Arc<Peer>) -> Result<(), BoxError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(Heard::new(io, peer.clone()));
        let service = TowerToHyperService::new(WithPeer::new(self.service, peer.clone()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(BUFFER_SIZE)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            served = &mut connection => return Ok(served?),
            () = self.shutdown.begun() => {}
        }
        // hyper would wait for a first request; a browser opens connections to spare.
        if !peer.has_spoken() {
            return Ok(());
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}
