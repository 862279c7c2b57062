//! What axum needs to take our types as they are.

use axum_core::response::{IntoResponse, Response};

use crate::{Body, Chunked};

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(axum_core::body::Body::new(self))
    }
}

impl IntoResponse for Chunked {
    fn into_response(self) -> Response {
        self.into_response().map(axum_core::body::Body::new)
    }
}
