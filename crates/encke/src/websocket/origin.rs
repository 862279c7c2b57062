//! Which pages may open a socket.

use crate::{
    Body, SchemeHeader,
    origin::{Origins, SEC_FETCH_SITE},
    problem,
    serve::Peer,
};
use encke_proto::comet::Origin;
use http::{Request, Response, StatusCode, header, request::Parts};

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

    pub(super) fn trust(&mut self, header: SchemeHeader) {
        self.allowed.trust(header);
    }

    /// What the sender of a request is told who may not open a socket.
    pub(super) fn refusal(&self, request: &Parts) -> Option<Response<Body>> {
        let foreign = "pages of other origins may not open this WebSocket";
        if self.required && !request.headers.contains_key(header::ORIGIN) {
            return Some(problem(StatusCode::FORBIDDEN, foreign));
        }
        if self.any {
            return None;
        }
        self.allowed.sender(request).refusal(foreign)
    }
}

/// What of a request its origin is judged by.
pub(super) fn of(request: &Parts) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = request.uri.clone();
    for name in [
        &header::HOST,
        &header::ORIGIN,
        &SEC_FETCH_SITE,
        SchemeHeader::XForwardedProto.name(),
        SchemeHeader::Forwarded.name(),
    ] {
        for value in request.headers.get_all(name) {
            parts.headers.append(name, value.clone());
        }
    }
    if let Some(peer) = Peer::of(&request.extensions) {
        peer.clone().tell(&mut parts.extensions);
    }
    parts
}
