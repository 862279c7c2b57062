//! The answer to a request whose parameters cannot be used.

use std::fmt;

use encke_proto::{
    comet::{InvalidCallback, InvalidNonce, MessageError},
    sse::InvalidEvent,
};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};

use crate::Body;

/// 400 with a sentence for people, as plain text: no browser takes it for a page.
///
/// `<`, `>`, `&` and control characters are escaped, so that what it repeats of the request does
/// no harm where somebody shows it in a page after all. A handler gets it from a bad callback, nonce or event with `?`.
///
/// ```
/// use encke::{BadRequest, Comet};
///
/// fn comet(callback: &str) -> Result<Comet, BadRequest> {
///     let comet = Comet::new(callback).map_err(|error| BadRequest::parameter("callback", error))?;
///     Ok(comet.string(futures_util::stream::iter(["kiki"])))
/// }
/// assert_eq!(
///     comet("1a").unwrap_err().to_string(),
///     "parameter callback: callback \"1a\" is not made of JavaScript names joined by dots"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest(String);

impl BadRequest {
    /// Says what is wrong.
    pub fn new(problem: impl fmt::Display) -> Self {
        Self(escaped(&problem.to_string()))
    }

    /// Says what is wrong with which parameter of the query.
    pub fn parameter(name: &str, problem: impl fmt::Display) -> Self {
        Self::new(format_args!("parameter {name}: {problem}"))
    }

    /// The response, for servers other than axum.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.0));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
            .headers_mut()
            .extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}

const HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_TYPE, "text/plain; charset=utf-8"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '<' | '>' | '&') || c.is_control() {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

macro_rules! bad_request {
    ($($error:ty),*) => {$(
        impl From<$error> for BadRequest {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )*};
}

bad_request!(InvalidCallback, InvalidNonce, MessageError, InvalidEvent);

impl From<BadRequest> for Response<Body> {
    fn from(bad_request: BadRequest) -> Self {
        bad_request.into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_request_is_repeated_unescaped() {
        let refused = BadRequest::parameter("callback", "</script>\r\n&");
        assert_eq!(
            refused.to_string(),
            r"parameter callback: \u{3c}/script\u{3e}\u{d}\u{a}\u{26}"
        );
        let response = refused.into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
    }
}
