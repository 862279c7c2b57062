//! A server that neither waits for ever nor forgets an open stream.

mod connection;
mod io;
mod peer;
mod slot;

#[cfg(feature = "tls")]
mod http2;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use self::{io::take_socket, peer::Peer, slot::Offer};

use self::connection::Connections;
use crate::{BoxError, Shutdown, live::Shards};
use http::{Request, Response};
use hyper::body::Incoming;
use std::{
    fmt,
    io::{Error, ErrorKind, Result},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};
use tower_service::Service;

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
        connections: Connections {
            service,
            limits: Limits::default(),
            shutdown: Shutdown::new(),
            #[cfg(feature = "tls")]
            tls: None,
        },
        graceful: Box::pin(std::future::pending()),
        shards: None,
    }
}

/// A server to be awaited; it returns when it was shut down.
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve<S> {
    listener: TcpListener,
    connections: Connections<S>,
    /// Begins the shutdown.
    graceful: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// `None` for one per core.
    shards: Option<usize>,
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
    /// Stops accepting once `signal` resolves, and lets open responses end.
    ///
    /// What ends by itself then, and what is cut in the end, is told at [`Shutdown`].
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.graceful = Box::pin(signal);
        self
    }

    /// As [`with_graceful_shutdown`](Self::with_graceful_shutdown), once `shutdown` begins.
    ///
    /// With both, the signal begins this shutdown too, for all who share the handle.
    pub fn with_shutdown(mut self, shutdown: Shutdown) -> Self {
        self.connections.shutdown = shutdown;
        self
    }

    /// How long open responses may take to end after the shutdown before they are cut.
    ///
    /// Default: 5 seconds.
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.connections.limits.drain = limit;
        self
    }

    /// How long a client may take nothing while data waits before its connection is cut.
    ///
    /// Default: 10 seconds.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.connections.limits.stall = limit;
        self
    }

    /// How many tasks write to the sessions of [`Hub::live`](crate::Hub::live) that leave HTTP.
    ///
    /// Default: one per core. Over HTTP/1.1 without TLS a session takes its socket away once its
    /// response has begun: then it costs a few hundred bytes, no task and no timer. It stays where
    /// it is if the head says that something encodes the response, or if its first bytes were
    /// changed on the way. A layer that changes only what comes later would not be asked any more:
    /// with 0 no session leaves. Elsewhere than on Linux none does.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// How long a client may take to send a request's head, or stay connected between requests.
    ///
    /// Default: 10 seconds.
    pub fn head_limit(mut self, limit: Duration) -> Self {
        self.connections.limits.head = limit;
        self
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("limits", &self.connections.limits)
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
        let Self {
            listener,
            connections,
            mut graceful,
            shards,
        } = self;
        let shutdown = connections.shutdown.clone();
        let stall_limit = connections.limits.stall;
        let shards = Arc::new(Shards::new(shards, shutdown.clone(), stall_limit));
        let _cut = Cut(shards.clone());
        let mut begun = pin!(shutdown.begun());
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = &mut graceful => break,
                () = &mut begun => break,
                accepted = listener.accept() => accepted,
                Some(_) = open.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    open.spawn(connections.clone().serve(stream, shards.clone()));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop(listener);
        shutdown.begin();
        let drained = async {
            while open.join_next().await.is_some() {}
            shards.drained().await;
        };
        let _ = tokio::time::timeout(connections.limits.drain, drained).await;
        Ok(())
    }
}

/// Ends what is still in the shards when the server is dropped.
struct Cut(Arc<Shards>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Whether an error of `accept` is the one connection's, not the listener's.
fn is_of_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
