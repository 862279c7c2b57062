//! What a connection knows of its peer, for those who serve its requests.

use super::slot::{Offer, Slot};
use crate::{
    Shutdown,
    live::{Seat, Shards},
};
use http::{Extensions, Request};
use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tower_service::Service;

#[cfg(feature = "axum")]
use ::axum::extract::ConnectInfo;

/// What axum has a type for.
#[cfg(not(feature = "axum"))]
#[derive(Clone)]
struct ConnectInfo<T>(T);

/// What goes on over a connection once it no longer speaks HTTP.
type Upgraded = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is known of one connection.
pub(super) struct Line {
    address: SocketAddr,
    /// Of a server of ours; another's says nothing of its own.
    pub(super) shutdown: Shutdown,
    pub(super) secure: bool,
    /// Whether a server of ours serves it.
    ours: bool,
    /// Where sessions go whose sockets leave their connections.
    shards: Arc<Shards>,
    pub(super) slot: Slot,
    stalled: AtomicBool,
    upgraded: Mutex<Option<Upgraded>>,
}

impl Line {
    pub(super) fn new(
        address: SocketAddr,
        shutdown: Shutdown,
        secure: bool,
        shards: Arc<Shards>,
    ) -> Self {
        Self {
            address,
            shutdown,
            secure,
            ours: true,
            shards,
            slot: Slot::default(),
            stalled: AtomicBool::new(false),
            upgraded: Mutex::new(None),
        }
    }

    #[cfg(feature = "axum")]
    pub(super) fn of_another_server(address: SocketAddr, shards: Arc<Shards>) -> Self {
        Self {
            ours: false,
            ..Self::new(address, Shutdown::new(), false, shards)
        }
    }

    pub(super) fn stalls(&self) {
        self.stalled.store(true, Relaxed);
    }

    /// What the connection was upgraded to, to be run when HTTP has ended.
    pub(super) fn take_upgraded(&self) -> Option<Upgraded> {
        self.upgraded().take()
    }

    fn upgraded(&self) -> std::sync::MutexGuard<'_, Option<Upgraded>> {
        self.upgraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("address", &self.address)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// The other end of a request's connection. Cheap to clone.
///
/// Requests have it under [`serve`](crate::serve()), and under `axum::serve` with a
/// [`Listener`](crate::Listener) where the application is made a service by
/// `into_make_service_with_connect_info::<Peer>()`. With axum it is extracted as
/// `ConnectInfo<Peer>`. It is also how a session of [`Hub::live`](crate::Hub::live) finds its
/// socket.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, extract::ConnectInfo, routing::get};
/// use encke::Peer;
///
/// let app = Router::<()>::new().route("/address", get(async |ConnectInfo(peer): ConnectInfo<Peer>| {
///     peer.address().to_string()
/// }));
/// # let _ = app;
/// # }
/// ```
#[derive(Clone)]
pub struct Peer {
    line: Arc<Line>,
    /// The one stream of an HTTP/2 connection.
    #[cfg(feature = "tls")]
    stream: Option<Arc<super::http2::Stream>>,
}

impl Peer {
    /// The peer of the request that has these extensions; `None` where the server tells none.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions
            .get::<ConnectInfo<Self>>()
            .map(|ConnectInfo(peer)| peer)
    }

    /// Its address; behind a proxy, the proxy's.
    pub fn address(&self) -> SocketAddr {
        self.line.address
    }

    /// Has a request know it.
    pub(crate) fn tell(self, extensions: &mut Extensions) {
        extensions.insert(ConnectInfo(self));
    }

    pub(super) fn new(line: Arc<Line>) -> Self {
        Self {
            line,
            #[cfg(feature = "tls")]
            stream: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn of_stream(line: Arc<Line>, stream: Arc<super::http2::Stream>) -> Self {
        Self {
            line,
            stream: Some(stream),
        }
    }

    /// The end of the server it is connected to. Its bodies are polled once when it begins.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.line.shutdown
    }

    /// Whether it speaks TLS with this server itself.
    pub(crate) fn is_secure(&self) -> bool {
        self.line.secure
    }

    /// Whether it is being cut because it took nothing while data waited.
    pub(crate) fn has_stalled(&self) -> bool {
        #[cfg(feature = "tls")]
        if self
            .stream
            .as_ref()
            .is_some_and(|stream| stream.has_stalled())
        {
            return true;
        }
        self.line.stalled.load(Relaxed)
    }

    /// Runs what an upgraded connection, or stream, is for.
    ///
    /// Over HTTP/1.1 the task of a connection of ours does, once the response is sent: so it counts
    /// as open, and is cut with the others. A stream of HTTP/2 ends with its connection.
    pub(crate) fn run_upgraded(&self, upgraded: impl Future<Output = ()> + Send + 'static) {
        #[cfg(feature = "tls")]
        if self.stream.is_some() {
            tokio::spawn(upgraded);
            return;
        }
        if !self.line.ours {
            tokio::spawn(upgraded);
            return;
        }
        let before = self.line.upgraded().replace(Box::pin(upgraded));
        // Whatever it drops may want the lock.
        drop(before);
    }

    /// A place where a session goes on without HTTP, if the connection is one that can be left.
    pub(crate) fn seat(&self) -> Option<Seat> {
        #[cfg(feature = "tls")]
        if self.stream.is_some() {
            return None;
        }
        if self.line.secure {
            return None;
        }
        self.line.shards.seat()
    }

    /// Offers that the session of this response goes on without HTTP; whether there will be an
    /// answer.
    pub(crate) fn offer(&self, offer: Offer, cx: &Context<'_>) -> bool {
        self.line.slot.offer(offer, cx)
    }

    /// Whether it does, once that is known.
    pub(crate) fn poll_answer(&self, cx: &Context<'_>) -> Poll<bool> {
        self.line.slot.poll_answer(cx)
    }

    /// Takes the offer back, if it was not answered.
    pub(crate) fn withdraw(&self) {
        if self.line.slot.is_offered() {
            self.line.slot.decline();
        }
    }

    /// Ends a response whose body is not polled because the client takes nothing of it.
    ///
    /// Only a stream of HTTP/2 is: a connection of HTTP/1.1 is judged by its socket.
    pub(crate) fn stalls(&self) {
        #[cfg(feature = "tls")]
        if let Some(stream) = &self.stream {
            stream.stalls();
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

/// A service whose requests know their peer.
#[derive(Clone)]
pub(super) struct WithPeer<S> {
    service: S,
    peer: Peer,
}

impl<S> WithPeer<S> {
    pub(super) fn new(service: S, line: Arc<Line>) -> Self {
        Self {
            service,
            peer: Peer::new(line),
        }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for WithPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.peer.clone().tell(request.extensions_mut());
        self.service.call(request)
    }
}
