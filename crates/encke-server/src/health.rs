//! What a load balancer asks: whether the process lives, and whether it should be sent requests.
//!
//! Whoever reaches the server is told a yes or a no and nothing else, no address of a broker.

use encke::{Body, Hub, Shutdown, problem};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

/// The health of one server.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    hub: Hub,
    shutdown: Shutdown,
}

/// A question about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Probe {
    /// Is it worth keeping? Whatever a broker does, a restart would only cut the sessions.
    Live,
    /// May it be sent new sessions and publications?
    Ready,
}

impl Probe {
    /// What is asked at this path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Live),
            "/readyz" => Some(Self::Ready),
            _ => None,
        }
    }
}

impl Health {
    pub(crate) fn new(hub: Hub, shutdown: Shutdown) -> Self {
        Self { hub, shutdown }
    }

    pub(crate) fn answer(&self, probe: Probe) -> Response<Body> {
        match (probe, self.trouble()) {
            (Probe::Ready, Some(trouble)) => problem(StatusCode::SERVICE_UNAVAILABLE, trouble),
            (Probe::Ready, None) => yes("ready\n"),
            (Probe::Live, _) => yes("alive\n"),
        }
    }

    fn trouble(&self) -> Option<&'static str> {
        if self.shutdown.has_begun() {
            return Some("not ready: the server is shutting down");
        }
        (!self.hub.is_ready()).then_some("not ready: the broker cannot be asked")
    }
}

fn yes(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_shuts_down_lives_and_is_not_ready() {
        let shutdown = Shutdown::new();
        let health = Health::new(Hub::default(), shutdown.clone());
        assert_eq!(health.answer(Probe::Ready).status(), StatusCode::OK);
        shutdown.begin();
        assert_eq!(health.answer(Probe::Live).status(), StatusCode::OK);
        let response = health.answer(Probe::Ready);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }
}
