//! The nonce of one response.

use std::fmt;

use encke_proto::comet::Nonce;
use thiserror::Error;

/// The nonce of this response's `Content-Security-Policy`, for its scripts and for
/// [`Comet::nonce`](crate::Comet::nonce).
///
/// [`SecurityHeaders`](crate::SecurityHeaders) puts it among the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CspNonce(Nonce);

impl CspNonce {
    /// 16 bytes nobody can guess; `None` where the system has none to give.
    pub(crate) fn fresh() -> Option<Self> {
        let mut random = [0; 16];
        match getrandom::fill(&mut random) {
            Ok(()) => Some(Self(Nonce::from_bytes(random))),
            Err(error) => {
                tracing::error!(%error, "no random bytes for a nonce");
                None
            }
        }
    }

    /// The nonce as it is written into an attribute.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<CspNonce> for Nonce {
    fn from(nonce: CspNonce) -> Self {
        nonce.0
    }
}

/// The handler asks for a [`CspNonce`], but [`SecurityHeaders`](crate::SecurityHeaders) is not
/// around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("request without a nonce: the layer SecurityHeaders is missing")]
pub struct MissingNonce;
