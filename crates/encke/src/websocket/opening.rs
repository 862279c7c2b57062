//! A socket that is about to open.

use super::{Incoming, Outgoing, codec::Codec};
use crate::BoxError;
use std::fmt;

/// A socket whose response is on its way.
pub struct Opening<C: Codec>(pub(super) Result<Halves<C>, NotOpened>);

/// Both ends of an application's socket.
pub(super) type Halves<C> = (Incoming<<C as Codec>::In>, Outgoing<<C as Codec>::Out>);

impl<C: Codec> Opening<C> {
    /// Both halves of the open socket.
    ///
    /// # Errors
    ///
    /// When the response did not reach the client.
    pub async fn accept(self) -> Result<(Incoming<C::In>, Outgoing<C::Out>), NotOpened> {
        self.0
    }
}

impl<C: Codec> fmt::Debug for Opening<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

/// A socket did not open: the client left, or something between handler and server sent another
/// response.
#[derive(Debug, thiserror::Error)]
#[error("the response that opens the socket did not reach the client")]
pub struct NotOpened(#[source] pub(super) BoxError);
