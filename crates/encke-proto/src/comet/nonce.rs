//! The nonce that lets a script run under a Content-Security-Policy.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes a nonce may have.
const MAX_LENGTH: usize = 128;

/// A Content-Security-Policy nonce: base64 or base64url text of at most 128 bytes.
///
/// It must be fresh and unguessable for every response; [`Nonce::from_bytes`] takes random bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Box<str>);

impl Nonce {
    /// Checks a nonce that somebody else made.
    ///
    /// # Errors
    ///
    /// When `nonce` is empty, too long, or has characters outside the base64 alphabets.
    pub fn new(nonce: &str) -> Result<Self, InvalidNonce> {
        if nonce.len() > MAX_LENGTH {
            return Err(InvalidNonce::TooLong {
                length: nonce.len(),
            });
        }
        // "base64-value = 1*( ALPHA / DIGIT / "+" / "/" / "-" / "_" )*2( "=" )" (CSP level 3, 2.3.1)
        let digits = nonce
            .strip_suffix("==")
            .or_else(|| nonce.strip_suffix('='))
            .unwrap_or(nonce);
        let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
        if digits.is_empty() || !digits.bytes().all(in_alphabet) {
            return Err(InvalidNonce::NotBase64(nonce.into()));
        }
        Ok(Self(nonce.into()))
    }

    /// Makes a nonce of 16 random bytes.
    pub fn from_bytes(random: [u8; 16]) -> Self {
        Self(STANDARD.encode(random).into())
    }

    /// The nonce as it is written into an attribute or a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be a [`Nonce`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNonce {
    /// It is longer than 128 bytes.
    #[error("nonce of {length} bytes exceeds the limit of {MAX_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is empty, or not base64.
    #[error("nonce {0:?} is not base64")]
    NotBase64(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_base64_alphabets_are_accepted_padded_or_not() {
        for nonce in ["a", "abc123", "a+b/c", "a-b_c", "YQ==", "YWI="] {
            assert_eq!(Nonce::new(nonce).unwrap().as_str(), nonce);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for nonce in [
            "", "=", "==", "a===", "a=b", "x\"", "x>", "a b", "x'", "a\n", "é",
        ] {
            assert_eq!(
                Nonce::new(nonce),
                Err(InvalidNonce::NotBase64(nonce.into()))
            );
        }
        let refused = Nonce::new(&"a".repeat(129)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "nonce of 129 bytes exceeds the limit of 128"
        );
    }

    #[test]
    fn sixteen_bytes_make_a_nonce_of_24_characters() {
        let nonce = Nonce::from_bytes([0xff; 16]);
        assert_eq!(nonce.as_str(), "/////////////////////w==");
        assert_eq!(Nonce::new(nonce.as_str()), Ok(nonce));
    }
}
