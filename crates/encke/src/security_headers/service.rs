//! The layer around a service: a nonce on the way in, headers on the way out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{CspNonce, SecurityHeaders};

impl<S> Layer<S> for SecurityHeaders {
    type Service = SecurityHeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SecurityHeadersService {
            inner,
            headers: self.clone(),
        }
    }
}

/// The service that [`SecurityHeaders`] makes of another.
#[derive(Clone, Debug)]
pub struct SecurityHeadersService<S> {
    inner: S,
    headers: SecurityHeaders,
}

impl<S, B, R> Service<Request<B>> for SecurityHeadersService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SecurityHeadersFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let nonce = CspNonce::fresh();
        if let Some(nonce) = &nonce {
            request.extensions_mut().insert(nonce.clone());
        }
        SecurityHeadersFuture {
            inner: self.inner.call(request),
            headers: self.headers.clone(),
            nonce,
        }
    }
}

pin_project! {
    /// The response of [`SecurityHeadersService`], to come.
    #[derive(Debug)]
    pub struct SecurityHeadersFuture<F> {
        #[pin]
        inner: F,
        headers: SecurityHeaders,
        nonce: Option<CspNonce>,
    }
}

impl<F, R, E> Future for SecurityHeadersFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let (mut parts, body) = response.into_parts();
        this.headers
            .apply(this.nonce.as_ref(), &parts.extensions, &mut parts.headers);
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
