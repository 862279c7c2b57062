//! The connected event stream, as its application's callback sees it.

use std::fmt;

use super::{IntoEvent, written};
use crate::{SendError, callback::Outlet};

/// Where the callback of [`EventSource::with`](super::EventSource::with) sends.
///
/// Dropping it ends the response too, once the callback has returned.
pub struct EventOut(Outlet);

impl EventOut {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self(outlet)
    }

    /// Sends an event, waiting until the connection took the one before the last.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] once the client has left, [`SendError::Encode`] for what makes no
    /// event.
    ///
    /// # Cancel safety
    ///
    /// An event whose future was dropped is not sent.
    pub async fn send<T: IntoEvent>(&self, event: T) -> Result<(), SendError> {
        let event = event.into_event().map_err(SendError::Encode)?;
        self.0.send(written(&event)).await
    }

    /// Resolves when the client has left; as [`Out::closed`](crate::Out::closed).
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Ends the response, also while the callback runs on.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the client has left before.
    pub fn close(self) -> Result<(), SendError> {
        self.0.close()
    }
}

impl fmt::Debug for EventOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventOut").finish_non_exhaustive()
    }
}
