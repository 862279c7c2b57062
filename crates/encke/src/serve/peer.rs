//! What a connection knows of its peer, for those who serve its requests.

use crate::Shutdown;
use http::Request;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tower_service::Service;

/// The other end of a connection, among the extensions of its requests.
#[derive(Debug)]
pub(crate) struct Peer {
    spoken: AtomicBool,
    stalled: AtomicBool,
    shutdown: Shutdown,
}

impl Peer {
    pub(super) fn new(shutdown: Shutdown) -> Self {
        Self {
            spoken: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            shutdown,
        }
    }

    /// The end of the server it is connected to. Its bodies are polled once when it begins.
    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Whether it ever sent anything that is HTTP.
    pub(super) fn has_spoken(&self) -> bool {
        self.spoken.load(Relaxed)
    }

    pub(super) fn speaks(&self) {
        self.spoken.store(true, Relaxed);
    }

    /// Whether it is being cut because it took nothing while data waited.
    pub(crate) fn has_stalled(&self) -> bool {
        self.stalled.load(Relaxed)
    }

    pub(super) fn stalls(&self) {
        self.stalled.store(true, Relaxed);
    }
}

/// A service whose requests know their peer.
#[derive(Clone)]
pub(super) struct WithPeer<S> {
    service: S,
    peer: Arc<Peer>,
}

impl<S> WithPeer<S> {
    pub(super) fn new(service: S, peer: Arc<Peer>) -> Self {
        Self { service, peer }
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
        request.extensions_mut().insert(self.peer.clone());
        self.service.call(request)
    }
}
