//! The application as the streams of one connection see it.

use super::{Stream, body::Watched};
use crate::serve::{Peer, peer::Line};
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_LENGTH};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// A service whose requests know their peer, and whose bodies are watched.
#[derive(Clone)]
pub(super) struct WithStream<S> {
    service: S,
    line: Arc<Line>,
}

impl<S> WithStream<S> {
    pub(super) fn new(service: S, line: Arc<Line>) -> Self {
        Self { service, line }
    }
}

impl<S, A, B> Service<Request<A>> for WithStream<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: http_body::Body,
{
    type Response = Response<Watched<B>>;
    type Error = S::Error;
    type Future = Watching<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let stream = Stream::current();
        Peer::of_stream(self.line.clone(), stream.clone()).tell(request.extensions_mut());
        Watching {
            head: request.method() == Method::HEAD,
            future: self.service.call(request),
            stream,
        }
    }
}

pin_project! {
    pub(super) struct Watching<F> {
        #[pin]
        future: F,
        head: bool,
        stream: Arc<Stream>,
    }
}

impl<F, B, E> Future for Watching<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body,
{
    type Output = Result<Response<Watched<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        let (mut parts, body) = response.into_parts();
        if *this.head
            && let Some(length @ 1..) = body.size_hint().exact()
        {
            let length = HeaderValue::from(length);
            parts.headers.entry(CONTENT_LENGTH).or_insert(length);
        }
        // As over HTTP/1.1, but there hyper sees to it.
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        let bodiless = *this.head || bodiless.contains(&parts.status);
        let body = Watched::new((!bodiless).then_some(body), this.stream.clone());
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
