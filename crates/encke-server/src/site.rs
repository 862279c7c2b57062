//! What is where: the demo page at `/`, the channels under `/live`, their statistics under `/stats`,
//! and what load balancers ask.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use encke::{Body, problem};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::ALLOW};
use tower_service::Service;

use crate::{
    demo,
    health::{Health, Probe},
    hosts::Hosts,
    statistics::Statistics,
};

/// The path of the channels; what follows it is a channel's name.
pub(crate) const LIVE: &str = "/live";

/// The program as one service; no request for a host that is not ours gets past it, but a load
/// balancer's.
///
/// What names such a host, or none, is up to that: often the address it sends to, which this server
/// need not know of. What it is told nobody has to hide from a page that pretends to be ours.
#[derive(Clone, Debug)]
pub(crate) struct Site<L> {
    hosts: Arc<Hosts>,
    health: Health,
    statistics: Statistics,
    live: L,
}

impl<L> Site<L> {
    pub(crate) fn new(hosts: Hosts, health: Health, statistics: Statistics, live: L) -> Self {
        Self {
            hosts: Arc::new(hosts),
            health,
            statistics,
            live,
        }
    }
}

impl<L, B> Service<Request<B>> for Site<L>
where
    L: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    L::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.live.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        if let Some(probe) = Probe::at(path) {
            let answer = match *request.method() {
                Method::GET | Method::HEAD => self.health.answer(probe),
                _ => only_read("health can only be read"),
            };
            return Box::pin(ready(Ok(answer)));
        }
        if let Err(error) = self.hosts.check(&request) {
            return Box::pin(ready(Ok(problem(error.status(), error))));
        }
        if path == LIVE
            || path
                .strip_prefix(LIVE)
                .is_some_and(|below| below.starts_with('/'))
        {
            return Box::pin(self.live.call(request));
        }
        if Statistics::channel_at(path).is_some() {
            let statistics = self.statistics.clone();
            let (request, _) = request.into_parts();
            return Box::pin(async move { Ok(statistics.answer(request).await) });
        }
        Box::pin(ready(Ok(page(request.method(), path))))
    }
}

fn page(method: &Method, path: &str) -> Response<Body> {
    let Some(file) = demo::file(path) else {
        let detail = "nothing is here: the demo page is at /, channels are under /live/, their \
                      statistics under /stats/";
        return problem(StatusCode::NOT_FOUND, detail);
    };
    // The server leaves out the body of an answer to HEAD.
    if method == Method::GET || method == Method::HEAD {
        return file;
    }
    only_read("this page can only be read")
}

/// The answer to methods other than GET and HEAD.
pub(crate) fn only_read(detail: &str) -> Response<Body> {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
