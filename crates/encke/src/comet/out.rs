//! The connected Comet socket, as its application's callback sees it.

use std::fmt;

use encke_proto::comet::{Call, CometMessage, SafeExpression};

use super::script;
use crate::{SendError, callback::Outlet};

/// Where the callback of [`Comet::on_connected`](super::Comet::on_connected) sends.
///
/// Dropping it ends the response too, once the callback has returned.
pub struct CometOut {
    outlet: Outlet,
    call: Call,
}

impl CometOut {
    pub(super) fn new(outlet: Outlet, call: Call) -> Self {
        Self { outlet, call }
    }

    /// Sends a message, waiting until the connection took the one before the last.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] once the client has left, [`SendError::Encode`] for a message that
    /// has no form in JavaScript.
    ///
    /// # Cancel safety
    ///
    /// A message whose future was dropped is not sent.
    pub async fn send<M: CometMessage>(&self, message: M) -> Result<(), SendError> {
        let message =
            SafeExpression::of(&message).map_err(|error| SendError::Encode(error.into()))?;
        self.outlet.send(script(&self.call, &message)).await
    }

    /// Resolves when the client has left; as [`Out::closed`](crate::Out::closed).
    pub async fn closed(&self) {
        self.outlet.closed().await;
    }

    /// Ends the response, also while the callback runs on.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the client has left before.
    pub fn close(self) -> Result<(), SendError> {
        self.outlet.close()
    }
}

impl fmt::Debug for CometOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CometOut")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
