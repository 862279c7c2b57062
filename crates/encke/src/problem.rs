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
    let mut response = Response::new(Body::full(without_tags(&body.to_string()) + "\n"));
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

/// A detail quotes what was sent; whoever takes the body for HTML finds no tag in it.
fn without_tags(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_a_problem_quotes_is_no_tag_and_no_line() {
        let quoted = "</script>\r\n\"&";
        let response = problem(StatusCode::BAD_REQUEST, quoted);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = str::from_utf8(&body).unwrap().trim_end();
        assert!(!text.contains(['<', '>', '&', '\r', '\n']), "{text}");
        let problem: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(problem["detail"], quoted);
    }
}
