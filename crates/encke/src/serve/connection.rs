//! One connection, from its first byte to its last.

use super::{
    Limits,
    io::GuardedIo,
    peer::{Line, WithPeer},
};
use crate::{BoxError, Shutdown, live::Shards, shutdown};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, pin::pin, sync::Arc};
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
    #[cfg(feature = "tls")]
    pub(super) tls: Option<super::tls::Tls>,
}

impl<S, B> Connections<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Serves a connection until it ends; once the server shuts down, until its responses have.
    pub(super) async fn serve(self, stream: TcpStream, address: SocketAddr, shards: Arc<Shards>) {
        #[cfg(feature = "tls")]
        let secure = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let secure = false;
        let line = Arc::new(Line::new(address, self.shutdown.clone(), secure, shards));
        let io = GuardedIo::new(stream, self.limits.stall, line.clone());
        let served = shutdown::tell(self.shutdown.clone(), self.speak(io, line)).await;
        if let Err(error) = served {
            tracing::debug!(
                error = &*error as &dyn std::error::Error,
                "connection ended"
            );
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn speak(self, io: GuardedIo, line: Arc<Line>) -> Result<(), BoxError> {
        self.http1(io, line).await
    }

    #[cfg(feature = "tls")]
    async fn speak(self, io: GuardedIo, line: Arc<Line>) -> Result<(), BoxError> {
        match self.tls.clone() {
            None => self.http1(io, line).await,
            // Boxed, or every connection would be as large as one of these.
            Some(tls) => Box::pin(self.speak_tls(tls, io, line)).await,
        }
    }

    #[cfg(feature = "tls")]
    async fn speak_tls(
        self,
        tls: super::tls::Tls,
        io: GuardedIo,
        line: Arc<Line>,
    ) -> Result<(), BoxError> {
        use super::{http2, tls::Secured};

        let secured = tokio::select! {
            secured = tls.accept(io, self.limits.head) => secured?,
            () = self.shutdown.begun() => return Ok(()),
        };
        match secured {
            Secured::Http1(io) => self.http1(io, line).await,
            Secured::Http2(io) => http2::serve(io, line, self.service, self.limits).await,
        }
    }

    async fn http1<IO>(self, io: IO, line: Arc<Line>) -> Result<(), BoxError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let served = self.http1_only(io, line.clone()).await;
        if let Some(upgraded) = line.take_upgraded() {
            upgraded.await;
        }
        served
    }

    /// Returns when the connection ended or was upgraded.
    async fn http1_only<IO>(self, io: IO, line: Arc<Line>) -> Result<(), BoxError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(WithPeer::new(self.service, line));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(BUFFER_SIZE)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            served = &mut connection => return Ok(served?),
            () = self.shutdown.begun() => {}
        }
        connection.as_mut().graceful_shutdown();
        Ok(connection.await?)
    }
}
