//! From a request that asks for a WebSocket to the bytes of its connection.

use super::Socket;
use crate::{Body, Shutdown, serve::Peer};
use encke_proto::ws::{
    deflate::{self, Agreement},
    handshake::{HandshakeError, Offer, UnofferedSubprotocol},
};
use http::{Response, StatusCode, request::Parts};
use hyper::upgrade::OnUpgrade;
use std::fmt;

/// A request that opens a WebSocket, by an upgrade of HTTP/1.1 or an extended CONNECT of HTTP/2.
#[derive(Debug)]
pub(crate) struct Upgrade {
    offer: Offer,
    on_upgrade: OnUpgrade,
    peer: Option<Peer>,
}

impl Upgrade {
    /// Takes the upgrade out of the request's extensions.
    pub(crate) fn of(request: &mut Parts) -> Result<Self, NotUpgradable> {
        let offer = if is_extended_connect(request) {
            Offer::from_extended_connect(&request.headers)
        } else {
            Offer::from_parts(&request.method, request.version, &request.headers)
        };
        Ok(Self {
            offer: offer?,
            on_upgrade: request
                .extensions
                .remove()
                .ok_or(NotUpgradable::Unsupported)?,
            peer: Peer::of(&request.extensions).cloned(),
        })
    }

    /// The subprotocols the client speaks, the preferred one first.
    pub(crate) fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.offer.subprotocols()
    }

    /// Whether the client speaks it.
    pub(crate) fn check_subprotocol(&self, name: &str) -> Result<(), UnofferedSubprotocol> {
        self.offer.accept(Some(name), None).map(drop)
    }

    /// The response that opens the socket, and what comes after it.
    pub(crate) fn accept(
        self,
        subprotocol: Option<&str>,
        deflate: Option<&deflate::Config>,
    ) -> Result<(Response<Body>, Accepted), UnofferedSubprotocol> {
        let accepted = self.offer.accept(subprotocol, deflate)?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = accepted.status;
        *response.headers_mut() = accepted.headers;
        let accepted = Accepted {
            on_upgrade: self.on_upgrade,
            deflate: accepted.deflate,
            peer: self.peer,
        };
        Ok((response, accepted))
    }
}

#[cfg(feature = "http2")]
fn is_extended_connect(request: &Parts) -> bool {
    let protocol = request.extensions.get::<hyper::ext::Protocol>();
    request.method == http::Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str() == "websocket")
}

#[cfg(not(feature = "http2"))]
fn is_extended_connect(_: &Parts) -> bool {
    false
}

/// A socket that is open as soon as its response was sent.
pub(crate) struct Accepted {
    on_upgrade: OnUpgrade,
    deflate: Option<Agreement>,
    peer: Option<Peer>,
}

impl Accepted {
    /// What was agreed on for compression.
    pub(crate) fn deflate(&self) -> Option<Agreement> {
        self.deflate
    }

    /// The end of the server, if it is ours.
    pub(crate) fn shutdown(&self) -> Option<Shutdown> {
        Some(self.peer.as_ref()?.shutdown().clone())
    }

    /// The other end, if the server is ours.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.peer.clone()
    }

    /// Runs what `serve` makes of the socket, in a task where it counts as an open connection.
    ///
    /// It gets an error where the response did not reach the client.
    pub(crate) fn spawn<F, Fut>(self, serve: F)
    where
        F: FnOnce(hyper::Result<Socket>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self {
            on_upgrade, peer, ..
        } = self;
        let served = async move { serve(on_upgrade.await.map(Socket::new)).await };
        match peer {
            Some(peer) => peer.run_upgraded(served),
            None => drop(tokio::spawn(served)),
        }
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("deflate", &self.deflate)
            .finish_non_exhaustive()
    }
}

/// Why a request opens no WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotUpgradable {
    /// It does not ask for one, or does so wrongly.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The server, or something between it and the handler, does not let connections be upgraded.
    #[error("this server cannot upgrade the connection")]
    Unsupported,
}

impl NotUpgradable {
    /// The answer: 426 where upgrading would help, 400 to a bad handshake, 500 where the server is
    /// in the way.
    pub fn into_response(self) -> Response<Body> {
        match self {
            Self::Handshake(error) => error.response().map(Body::full),
            Self::Unsupported => crate::problem(StatusCode::INTERNAL_SERVER_ERROR, self),
        }
    }
}
