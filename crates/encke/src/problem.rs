//! Errors of HTTP as JSON problem bodies (RFC 9457).

use crate::Body;
use http::{HeaderValue, Response, StatusCode, header};
use std::fmt;

/// A response that tells its reader what went wrong: `{"type","title","status","detail"}`.
///
/// ```
/// let response = encke::problem(http::StatusCode::FORBIDDEN, "channel \"staff\" is not for you");
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
pub fn problem(status: StatusCode, detail: impl fmt::Display) -> Response<Body> {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail.to_string(),
    });
    // A detail names what was sent; whoever takes the body for HTML finds no tag in it.
    let body = body.to_string().replace('<', "\\u003c") + "\n";
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
