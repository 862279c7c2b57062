//! The answer to a request whose parameters cannot be used.

use std::fmt;

use encke_proto::{
    comet::{InvalidCallback, InvalidNonce, MessageError},
    sse::InvalidEvent,
};
use http::{Response, StatusCode};

use crate::{Body, problem};

/// 400 with a sentence for people, as a JSON problem body.
///
/// A handler gets it from a bad callback, nonce or event with `?`.
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
        Self(problem.to_string())
    }

    /// Says what is wrong with which parameter of the query.
    pub fn parameter(name: &str, problem: impl fmt::Display) -> Self {
        Self::new(format_args!("parameter {name}: {problem}"))
    }

    /// The response, for servers other than axum.
    pub fn into_response(self) -> Response<Body> {
        problem(StatusCode::BAD_REQUEST, self)
    }
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
