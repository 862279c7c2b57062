//! How the end of what an application sends closes its socket.

use crate::{BoxError, SendError};
use encke_proto::ws::{CloseCode, CloseFrame};
use std::{borrow::Cow, error::Error, fmt};

/// An error that closes a socket with a code of its own; every other closes it with 1011.
///
/// ```
/// use encke::websocket::{CloseCode, CloseWith};
///
/// let full = CloseWith::new(CloseCode::new(4001)?, "the room is full");
/// assert_eq!(full.to_string(), "close 4001: the room is full");
/// # Ok::<(), encke::websocket::InvalidCloseCode>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseWith(CloseFrame);

impl CloseWith {
    /// A close with this code, and a reason that is cut to 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self(CloseFrame::new(code, reason))
    }
}

impl From<CloseFrame> for CloseWith {
    fn from(frame: CloseFrame) -> Self {
        Self(frame)
    }
}

impl fmt::Display for CloseWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "close {}: {}", self.0.code(), self.0.reason())
    }
}

impl Error for CloseWith {}

/// What to say at the end of the application.
pub(super) fn frame_for(result: Result<(), BoxError>) -> CloseFrame {
    let Err(error) = result else {
        return CloseCode::NORMAL.into();
    };
    let mut causes = std::iter::successors(Some(&*error as &dyn Error), |&error| error.source());
    if let Some(close) = causes.clone().find_map(|cause| cause.downcast_ref()) {
        let CloseWith(frame) = close;
        return frame.clone();
    }
    let left = causes.any(|cause| matches!(cause.downcast_ref(), Some(SendError::Closed)));
    if !left {
        tracing::warn!(error = &*error as &dyn Error, "socket closed by an error");
    }
    CloseCode::INTERNAL_ERROR.into()
}
