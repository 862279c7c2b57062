//! What carries publications between nodes and keeps their history, as a hub sees it.
//!
//! Invariant: nothing above here knows an engine, and nothing below here a subscriber.

#[cfg(feature = "redis")]
mod backoff;
#[cfg(test)]
pub(crate) mod fickle;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) mod wire;

use crate::{Hub, config::Retention, hub::Shared, log::Lineage};
use encke_proto::{Channel, Data, Position};
use futures_util::future::BoxFuture;
use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};
use tokio::sync::watch;

/// How long a broker that is there may take to answer.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What a broker will say to a question.
pub(crate) type Answer<T> = BoxFuture<'static, Result<T, BrokerError>>;

/// An engine that several nodes share.
///
/// Publications of one channel are announced in their order, or not at all: a node never trusts an
/// announcement alone, but reads what is kept where one does not follow the last.
pub(crate) trait Broker: fmt::Debug + Send + Sync {
    /// Gives a publication its position, keeps it and announces it.
    fn publish(&self, publishing: Publishing) -> Answer<Position>;

    /// Has the channel's publications announced, from a moment that
    /// [`Announcements::followed`] tells of: soon, and again whenever some may have been missed.
    fn follow(&self, channel: &Channel);

    /// Has them announced no more.
    fn unfollow(&self, channel: &Channel);

    /// What is kept behind `after`, or all of it where `after` is none of its positions.
    fn read(&self, channel: &Channel, after: Option<Position>) -> Answer<Snapshot>;

    /// The positions of the newest publications, in the order of the channels; `None` where the
    /// engine knows nothing of one. Keeps their heads from being forgotten.
    fn heads(&self, channels: &[Channel]) -> Answer<Vec<Option<Position>>>;

    /// Tells how many listen on this node. It is forgotten unless it is told again in time.
    fn report(&self, listeners: &[(Channel, u64)], valid: Duration) -> Answer<()>;

    /// How many listen on all nodes, and the position of the newest publication.
    fn audience(&self, channel: &Channel) -> Answer<(u64, Position)>;

    /// Whether the engine can be asked.
    fn link(&self) -> watch::Receiver<Link>;
}

/// Whether an engine can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    /// It cannot, for this reason.
    Down(Arc<str>),
}

/// A publication on its way.
#[derive(Debug, Clone)]
pub(crate) struct Publishing {
    pub(crate) channel: Channel,
    pub(crate) data: Data,
    /// Published once, however often it is asked for with the same key.
    pub(crate) idempotency_key: Option<Arc<str>>,
}

/// What every broker has to keep to.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) retention: Retention,
    /// How long the key of a publication is remembered.
    pub(crate) idempotency_window: Duration,
}

/// A channel as an engine has it, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The position of the newest publication.
    pub(crate) head: Position,
    /// The epochs that the head's continues.
    pub(crate) lineage: Lineage,
    /// What is kept, with rising offsets up to the head.
    pub(crate) kept: Vec<Kept>,
}

/// One publication of a [`Snapshot`].
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) offset: u64,
    pub(crate) data: Data,
    /// How long ago it was published, by the engine's clock.
    pub(crate) age: Duration,
}

/// Why a broker did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokerError {
    /// It was not asked.
    #[error("the broker is away: {0}")]
    Away(Arc<str>),
    /// It may have done it.
    #[error("the broker did not answer: {0}")]
    Unanswered(Arc<str>),
    /// It said no.
    #[error("the broker refused: {0}")]
    Refused(Arc<str>),
}

/// Where a broker tells a hub what it hears. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Announcements {
    hub: Arc<OnceLock<Weak<Shared>>>,
}

impl Announcements {
    /// From here on they reach this hub.
    pub(crate) fn reach(&self, hub: &Hub) {
        let _ = self.hub.set(Arc::downgrade(hub.shared()));
    }

    /// A publication was made.
    pub(crate) fn published(&self, channel: &Channel, position: Position, data: Data) {
        if let Some(hub) = self.hub() {
            hub.hear(channel, position, data);
        }
    }

    /// Publications of these channels are announced from here on; some before may have been missed.
    pub(crate) fn followed(&self, channels: Vec<Channel>) {
        if let Some(hub) = self.hub() {
            hub.catch_up_with(channels);
        }
    }

    fn hub(&self) -> Option<Arc<Shared>> {
        self.hub.get()?.upgrade()
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements").finish_non_exhaustive()
    }
}
