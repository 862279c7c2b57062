//! A subscription on its way.

use crate::{broker::BrokerError, hub::Shared, mark::Mark, subscription::Subscription};
use encke_proto::{Channel, Start};
use futures_util::future::BoxFuture;
use std::{fmt, sync::Arc};

/// A subscription to be opened: `.await` it for a [`Subscription`].
///
/// In a hub of its own the await never waits. Over a broker it does, where nobody on this node
/// listens to the channel yet: for as long as
/// [`HubConfig::broker_patience`](crate::HubConfig::broker_patience).
///
/// # Errors
///
/// [`Unavailable`], where the broker cannot be asked where the channel stands.
///
/// # Cancel safety
///
/// Dropped, nothing is subscribed.
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribe {
    hub: Arc<Shared>,
    channel: Channel,
    start: Start,
}

impl Subscribe {
    pub(crate) fn new(hub: Arc<Shared>, channel: Channel, start: Start) -> Self {
        Self {
            hub,
            channel,
            start,
        }
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, Unavailable>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mark = Arc::new(Mark::new());
            let attached = self.hub.attach(&self.channel, self.start, &mark).await;
            let (attachment, position) = attached?;
            Ok(Subscription::new(self.hub, attachment, position, mark))
        })
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("channel", &self.channel)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// A broker could not be asked in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker cannot be asked: {reason}")]
#[non_exhaustive]
pub struct Unavailable {
    /// What is known of why.
    pub reason: Arc<str>,
}

impl Unavailable {
    pub(crate) fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl From<BrokerError> for Unavailable {
    fn from(error: BrokerError) -> Self {
        let (BrokerError::Away(reason)
        | BrokerError::Unanswered(reason)
        | BrokerError::Refused(reason)) = error;
        Self { reason }
    }
}
