//! Which pages may open a socket.

use crate::{
    origin::{Origins, SEC_FETCH_SITE, Sender},
    serve::Peer,
};
use encke_proto::comet::Origin;
use http::{Request, header, request::Parts};
use std::sync::Arc;

/// Which pages may open a socket: this server's, unless it is said otherwise.
#[derive(Debug, Default)]
pub(super) struct OriginRule {
    allowed: Origins,
    any: bool,
    required: bool,
}

impl OriginRule {
    pub(super) fn allow(&mut self, origin: Origin) {
        self.allowed.add(origin);
    }

    pub(super) fn allow_any(&mut self) {
        self.any = true;
    }

    pub(super) fn require(&mut self) {
        self.required = true;
    }

    /// Whether the sender of a request may open a socket.
    pub(super) fn admit(&self, request: &Parts) -> bool {
        if self.required && !request.headers.contains_key(header::ORIGIN) {
            return false;
        }
        self.any || self.allowed.sender(request) != Sender::Foreign
    }
}

/// What of a request its origin is judged by.
pub(super) fn of(request: &Parts) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = request.uri.clone();
    for name in [header::HOST, header::ORIGIN, SEC_FETCH_SITE.clone()] {
        for value in request.headers.get_all(&name) {
            parts.headers.append(&name, value.clone());
        }
    }
    if let Some(peer) = request.extensions.get::<Arc<Peer>>() {
        parts.extensions.insert(peer.clone());
    }
    parts
}
