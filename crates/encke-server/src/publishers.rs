//! Who may publish.

use encke::{Body, CrossOrigin, problem};
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE, request::Parts};
use thiserror::Error;

use crate::token::{Token, bearer};

/// Everyone who knows the token; without one, everyone but the pages of other origins.
#[derive(Debug)]
pub(crate) struct Publishers {
    token: Option<Token>,
}

/// Why a request may not publish.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub(crate) enum NotAllowed {
    #[error("publishing needs the publish token, as Authorization: Bearer TOKEN")]
    NoToken,
    #[error("the publish token is wrong")]
    WrongToken,
    #[error(
        "pages of other origins publish with a token, and this server has none: \
         start encke with --publish-token"
    )]
    OtherOrigin,
}

impl Publishers {
    pub(crate) fn new(token: Option<Token>) -> Self {
        Self { token }
    }

    pub(crate) fn check(&self, request: &Parts) -> Result<(), NotAllowed> {
        match (&self.token, bearer(&request.headers)) {
            (Some(token), Some(given)) if token.is(given) => Ok(()),
            (Some(_), Some(_)) => Err(NotAllowed::WrongToken),
            (Some(_), None) => Err(NotAllowed::NoToken),
            (None, _) if request.extensions.get::<CrossOrigin>().is_some() => {
                Err(NotAllowed::OtherOrigin)
            }
            (None, _) => Ok(()),
        }
    }
}

impl NotAllowed {
    pub(crate) fn into_response(self) -> Response<Body> {
        let (status, challenge) = match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, Some(r#"Bearer realm="encke""#)),
            Self::WrongToken => (
                StatusCode::UNAUTHORIZED,
                Some(r#"Bearer realm="encke", error="invalid_token""#),
            ),
            Self::OtherOrigin => (StatusCode::FORBIDDEN, None),
        };
        let mut response = problem(status, self);
        if let Some(challenge) = challenge {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, header::AUTHORIZATION};

    use super::*;

    fn check(token: Option<&str>, given: Option<&str>) -> Result<(), NotAllowed> {
        let publishers = Publishers::new(token.map(|token| Token::new(token.into()).unwrap()));
        let mut request = Request::post("/live/news");
        if let Some(given) = given {
            request = request.header(AUTHORIZATION, format!("Bearer {given}"));
        }
        publishers.check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn with_a_token_only_who_knows_it_publishes() {
        assert_eq!(check(Some("t"), Some("t")), Ok(()));
        assert_eq!(check(Some("t"), Some("T")), Err(NotAllowed::WrongToken));
        assert_eq!(check(Some("t"), None), Err(NotAllowed::NoToken));
    }

    #[test]
    fn without_a_token_everyone_publishes() {
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(None, Some("t")), Ok(()));
    }
}
