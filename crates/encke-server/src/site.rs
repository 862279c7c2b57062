//! What is where: the demo page at `/`, the channels under `/live`.

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

use crate::{demo, hosts::Hosts};

/// The path of the channels; what follows it is a channel's name.
pub(crate) const LIVE: &str = "/live";

/// The program as one service; no request for a host that is not ours gets past it.
#[derive(Clone, Debug)]
pub(crate) struct Site<L> {
    hosts: Arc<Hosts>,
    live: L,
}

impl<L> Site<L> {
    pub(crate) fn new(hosts: Hosts, live: L) -> Self {
        Self {
            hosts: Arc::new(hosts),
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
        Box::pin(ready(Ok(page(request.method(), path))))
    }
}

fn page(method: &Method, path: &str) -> Response<Body> {
    let Some(file) = demo::file(path) else {
        let detail = "nothing is here: the demo page is at /, channels are under /live/";
        return problem(StatusCode::NOT_FOUND, detail);
    };
    // The server leaves out the body of an answer to HEAD.
    if method == Method::GET || method == Method::HEAD {
        return file;
    }
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this page can only be read");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
