//! A server for HTTP/1.1 that neither waits for ever nor forgets an open stream.

mod io;
mod peer;

pub(crate) use self::peer::Peer;

use self::{io::GuardedIo, peer::WithPeer};
use crate::BoxError;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    fmt,
    io::{Error, ErrorKind, Result},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower_service::Service;

/// How much hyper may hold of a connection's input, and of its output that the socket takes not.
const BUFFER_SIZE: usize = 64 << 10;

/// How long to wait for another connection to end when the process has no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves an application until its [shutdown](Serve::with_graceful_shutdown).
///
/// Any tower service will do: an axum `Router`, or [`Hub::live`](crate::Hub::live) itself.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// let hub = encke::Hub::default();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9000").await?;
/// encke::serve(listener, hub.live()).await
/// # }
/// ```
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve {
        listener,
        service,
        shutdown: Box::pin(std::future::pending()),
        limits: Limits::default(),
    }
}

/// A server to be awaited; it returns when it was shut down.
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    service: S,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    head: Duration,
    stall: Duration,
    drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

impl<S> Serve<S> {
    /// Stops accepting once `shutdown` resolves, and lets open responses end.
    ///
    /// Streams end when their source does: call [`Hub::shutdown`](crate::Hub::shutdown) before.
    pub fn with_graceful_shutdown(
        mut self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.shutdown = Box::pin(shutdown);
        self
    }

    /// How long open responses may take to end after the shutdown before they are cut.
    ///
    /// Default: 5 seconds.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.limits.drain = limit;
        self
    }

    /// How long a client may take nothing while data waits before its connection is cut.
    ///
    /// Default: 10 seconds.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.limits.stall = limit;
        self
    }

    /// How long a client may take to send a request's head, or stay connected between requests.
    ///
    /// Default: 10 seconds.
    pub fn head_limit(mut self, limit: Duration) -> Self {
        self.limits.head = limit;
        self
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<S, B> Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    async fn run(self) -> Result<()> {
        let (closing, closed) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = self.shutdown;
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection =
                        connect(stream, self.service.clone(), self.limits, closed.clone());
                    connections.spawn(connection);
                }
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop(self.listener);
        drop(closing);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.limits.drain, drained).await;
        Ok(())
    }
}

/// Whether an error of `accept` is the one connection's, not the listener's.
fn is_of_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

/// Serves one connection; once the server closes, lets its response end.
async fn connect<S, B>(
    stream: TcpStream,
    service: S,
    limits: Limits,
    mut closed: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let peer = Arc::new(Peer::default());
    let io = GuardedIo::new(stream, limits.stall, peer.clone());
    let service = TowerToHyperService::new(WithPeer::new(service, peer.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_SIZE)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        _ = closed.changed() => {
            // hyper would wait for a first request; a browser opens connections to spare.
            if !peer.has_spoken() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        let error: &dyn std::error::Error = &error;
        tracing::debug!(error, "connection ended");
    }
}
