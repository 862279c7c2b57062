//! A bearer token, compared without telling how much of it was right.

use std::fmt;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// A secret that fits an `Authorization: Bearer` header.
pub(crate) struct Token(String);

/// The token cannot be sent in a header, or is none.
#[derive(Debug, Error)]
pub(crate) enum InvalidToken {
    #[error("the token is empty")]
    Empty,
    #[error("the token may hold visible ASCII characters only, and no spaces")]
    Characters,
}

impl Token {
    pub(crate) fn new(token: String) -> Result<Self, InvalidToken> {
        if token.is_empty() {
            return Err(InvalidToken::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken::Characters);
        }
        Ok(Self(token))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .expect("visible ASCII, checked by new");
        value.set_sensitive(true);
        value
    }

    /// Whether the given token is this one; the time it takes tells the length only.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

/// The token of a request, where it has exactly one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_right() {
        let token = Token::new("s3cret".into()).unwrap();
        assert!(token.is(b"s3cret"));
        for wrong in ["", "s3cre", "s3crets", "S3CRET"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for token in ["", "two words", "line\nbreak", "naïve"] {
            assert!(Token::new(token.into()).is_err(), "{token}");
        }
    }

    #[test]
    fn a_token_is_read_from_one_header_of_the_right_scheme() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(read(&["Bearer abc"]).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&["bearer  abc "]).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(&["Basic abc"]), None);
        assert_eq!(read(&["Bearer abc", "Bearer abc"]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(
            format!("{:?}", Token::new("s3cret".into()).unwrap()),
            "Token(…)"
        );
    }
}
