//! A publication on its way to its channel.

use crate::hub::Shared;
use encke_proto::{Channel, Data, Position};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A publication to be made: `.await` it for its [`Position`].
///
/// # Errors
///
/// [`PublishError`]; nothing was published then.
///
/// # Cancel safety
///
/// Dropped before it was awaited, nothing is published. The await itself never waits.
#[must_use = "nothing is published until it is awaited"]
pub struct Publish {
    hub: Arc<Shared>,
    channel: Channel,
    data: Data,
}

impl Publish {
    pub(crate) fn new(hub: Arc<Shared>, channel: Channel, data: Data) -> Self {
        Self { hub, channel, data }
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("channel", &self.channel)
            .field("data", &self.data)
            .finish()
    }
}

impl IntoFuture for Publish {
    type Output = Result<Position, PublishError>;
    type IntoFuture = PublishFuture;

    fn into_future(self) -> PublishFuture {
        PublishFuture(self)
    }
}

/// The future of a [`Publish`].
#[derive(Debug)]
#[must_use = "nothing is published until it is awaited"]
pub struct PublishFuture(Publish);

impl Future for PublishFuture {
    type Output = Result<Position, PublishError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let Publish { hub, channel, data } = &self.0;
        if hub.is_closing() {
            return Poll::Ready(Err(PublishError::ShutDown));
        }
        Poll::Ready(Ok(hub.publish(channel, data)))
    }
}

/// Why nothing was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The hub was shut down.
    #[error("the hub is shut down")]
    ShutDown,
}
