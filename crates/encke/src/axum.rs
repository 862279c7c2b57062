//! What axum needs to take our types as they are: `IntoResponse`, extractors, and a listener.

mod listener;

use std::convert::Infallible;

use ::axum::{
    body::Body as AxumBody,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    BadRequest, Body, Chunked, Comet, CspNonce, EventSource, LastEventId, MissingNonce, WebSocket,
    websocket::NotUpgradable,
};

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(AxumBody::new(self))
    }
}

macro_rules! into_response {
    ($($response:ty),*) => {$(
        impl IntoResponse for $response {
            fn into_response(self) -> Response {
                self.into_response().map(AxumBody::new)
            }
        }
    )*};
}

into_response!(Chunked, Comet, EventSource, BadRequest, NotUpgradable);

impl<S: Sync> OptionalFromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl<S: Sync> FromRequestParts<S> for CspNonce {
    type Rejection = MissingNonce;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingNonce> {
        parts.extensions.get().cloned().ok_or(MissingNonce)
    }
}

impl IntoResponse for MissingNonce {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for WebSocket {
    type Rejection = NotUpgradable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotUpgradable> {
        Self::from_request(parts)
    }
}
