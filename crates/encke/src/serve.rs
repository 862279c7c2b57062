//! A server that neither waits for ever nor forgets an open stream.

mod connection;
mod io;
mod listener;
mod peer;
mod slot;

#[cfg(feature = "tls")]
mod http2;
#[cfg(feature = "tls")]
mod tls;

pub use self::{
    io::GuardedIo,
    listener::{Listener, listen},
    peer::Peer,
};
pub(crate) use self::{io::take_io, slot::Offer};

use self::connection::Connections;
use crate::{BoxError, Shutdown, live::Shards};
use http::{Request, Response};
use hyper::body::Incoming;
use std::{
    fmt,
    io::Result,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;
use tower_service::Service;

/// How long a client may take nothing, unless it is said otherwise.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// Serves an application until its [shutdown](Serve::with_graceful_shutdown).
///
/// Any tower service will do: an axum `Router`, or [`Hub::live`](crate::Hub::live) itself. So will
/// a tokio `TcpListener` in place of [`listen`]'s.
///
/// ```no_run
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// let hub = encke::Hub::default();
/// encke::serve(encke::listen("127.0.0.1:9000").await?, hub.live()).await
/// # }
/// ```
pub fn serve<S>(listener: impl Into<Listener>, service: S) -> Serve<S> {
    let listener = listener.into();
    let limits = Limits {
        stall: listener.stall_limit,
        ..Limits::default()
    };
    Serve {
        listener,
        connections: Connections {
            service,
            limits,
            shutdown: Shutdown::new(),
            #[cfg(feature = "tls")]
            tls: None,
        },
        graceful: Box::pin(std::future::pending()),
    }
}

/// A server to be awaited; it returns when it was shut down.
#[must_use = "a server does nothing until it is awaited"]
pub struct Serve<S> {
    listener: Listener,
    connections: Connections<S>,
    /// Begins the shutdown.
    graceful: Pin<Box<dyn Future<Output = ()> + Send>>,
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
            stall: STALL_LIMIT,
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

    /// As [`Listener::stall_limit`].
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.connections.limits.stall = limit;
        self
    }

    /// How many tasks write to the sessions of [`Hub::live`](crate::Hub::live) that leave HTTP.
    ///
    /// As [`Listener::shards`], which tells what that means.
    pub fn shards(mut self, count: usize) -> Self {
        self.listener = self.listener.shards(count);
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
        } = self;
        let shutdown = connections.shutdown.clone();
        let stall_limit = connections.limits.stall;
        let shards = Arc::new(Shards::new(listener.shards, shutdown.clone(), stall_limit));
        let _cut = Cut(shards.clone());
        let mut begun = pin!(shutdown.begun());
        let mut open = JoinSet::new();
        loop {
            let (stream, address) = tokio::select! {
                () = &mut graceful => break,
                () = &mut begun => break,
                accepted = listener.next() => accepted,
                Some(_) = open.join_next() => continue,
            };
            let serve = connections.clone().serve(stream, address, shards.clone());
            open.spawn(serve);
            // Its request may be done by the time another is accepted, which then has what memory it
            // took.
            tokio::task::yield_now().await;
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
