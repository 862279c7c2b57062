//! This node's channels and sessions.

mod replication;
mod shared;

pub(crate) use self::shared::Shared;

use self::replication::Replication;
use crate::{
    broker::Broker,
    channel_stats::ChannelStats,
    config::HubConfig,
    connect::{self, ConnectError},
    live::Live,
    publish::Publish,
    stats::Stats,
    subscribe::{Subscribe, Unavailable},
};
use encke_proto::{Channel, Data, InvalidChannel, Position, Start};
use std::{fmt, pin::pin, sync::Arc};

/// The channels of this node and the sessions that listen to them. Cheap to clone.
///
/// A channel is a log of publications; a subscriber is a place in that log. Whoever falls behind
/// costs nothing, and is told of a gap once what it missed has left the log.
///
/// Make it within a tokio runtime: what expires is dropped by one task per hub, which ends with
/// it.
///
/// ```
/// use encke::{Delivery, Hub, HubConfig};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new(HubConfig::default());
/// let news = hub.channel("news")?;
/// let mut subscription = news.subscribe().await?;
/// let position = news.publish("kiki").await?;
/// let Some(Delivery::Publication(publication)) = subscription.next().await else {
///     panic!("no publication");
/// };
/// assert_eq!(publication.position, position);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

impl Hub {
    /// A hub that keeps its channels in memory.
    pub fn new(config: HubConfig) -> Self {
        Self {
            shared: Arc::new(Shared::new(config, None)),
        }
    }

    /// A hub with the channels of a broker, which every hub connected to it shares.
    ///
    /// | URL | broker |
    /// |---|---|
    /// | `memory:` | none: as [`new`](Self::new) |
    /// | `redis://HOST:PORT`, `rediss://` for TLS | Redis 6.2 or Valkey; Redis Cluster 7.0 (feature `redis`) |
    /// | `redis+sentinel://HOST:PORT,HOST:PORT/MASTER` | the master that Sentinels name (feature `redis`) |
    /// | `nats://HOST:PORT`, `tls://` for TLS | NATS 2.9 with JetStream (feature `nats`) |
    ///
    /// Every one takes `USER:PASSWORD@` before its host, and several hosts with commas between.
    /// All hubs of a broker should be given the same [history](HubConfig::history).
    ///
    /// A channel costs a hub nothing while nobody listens to it there. What a broker that fails does
    /// to subscribers is told in docs/brokers.md of the repository.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] where the URL makes no sense, or the broker cannot be reached, does not let
    /// this hub in, or is none that it could rely on.
    ///
    /// ```
    /// use encke::Hub;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let url = std::env::var("BROKER").unwrap_or("memory:".into());
    /// let hub = Hub::connect(&url).await?;
    /// assert!(hub.is_ready());
    /// # Ok(()) }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, HubConfig::default()).await
    }

    /// As [`connect`](Self::connect), with a configuration.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, config: HubConfig) -> Result<Self, ConnectError> {
        connect::connect(url, config).await
    }

    /// A hub over this broker.
    pub(crate) fn over(config: HubConfig, broker: Arc<dyn Broker>) -> Self {
        let shared = Arc::new(Shared::new(config, Some(Replication::new(broker))));
        if let Some(replication) = &shared.replication {
            replication.start(&shared);
        }
        Self { shared }
    }

    /// Whether new sessions and publications can be taken: the hub was not shut down, and the broker
    /// can be asked.
    ///
    /// For a load balancer that asks where to send requests. It is nothing to restart a process for:
    /// sessions go on while a broker is away.
    pub fn is_ready(&self) -> bool {
        let replication = self.shared.replication.as_ref();
        !self.shared.is_closing() && replication.is_none_or(|broker| broker.down().is_none())
    }

    /// The channel of this name, which need not exist before.
    ///
    /// # Errors
    ///
    /// [`InvalidChannel`] where the name is empty, over 255 bytes, or has control characters.
    pub fn channel(&self, name: impl AsRef<str>) -> Result<ChannelHandle, InvalidChannel> {
        Ok(ChannelHandle {
            channel: Channel::new(name)?,
            hub: self.shared.clone(),
        })
    }

    /// A service for the URLs of this hub's channels: GET to listen, POST to publish.
    pub fn live(&self) -> Live {
        Live::new(self.shared.clone())
    }

    /// What this hub holds and has counted.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Ends every session, after what was published so far.
    ///
    /// New sessions get 503 and publishing fails from here on. Returns at once; a server that
    /// drains its connections sees each response end with its last chunk. Wait for
    /// [`drained`](Self::drained) where the server does not wait for sessions.
    pub fn shutdown(&self) {
        self.shared.close();
    }

    /// Resolves when no session is connected any more; at once where none is.
    ///
    /// For servers that do not wait for sessions which have left HTTP, as `axum::serve` over a
    /// [`Listener`](crate::Listener): await it after the server, once the hub was
    /// [shut down](Self::shutdown). Clients that take nothing are cut at the stall limit, and those
    /// that do not hang up when all was said, 3 seconds later.
    pub async fn drained(&self) {
        loop {
            let mut left = pin!(self.shared.drained.notified());
            left.as_mut().enable();
            if self.shared.has_drained() {
                return;
            }
            left.await;
        }
    }
}

impl Hub {
    /// What its parts share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// A channel of a hub, to publish to and to subscribe to. Cheap to clone; costs the hub nothing.
#[derive(Clone)]
pub struct ChannelHandle {
    channel: Channel,
    hub: Arc<Shared>,
}

impl ChannelHandle {
    /// The channel's name.
    pub fn name(&self) -> &Channel {
        &self.channel
    }

    /// Publishes when awaited; never waits for a subscriber.
    pub fn publish(&self, data: impl Into<Data>) -> Publish {
        Publish::new(self.hub.clone(), self.channel.clone(), data.into())
    }

    /// Everything published from when this is awaited on.
    pub fn subscribe(&self) -> Subscribe {
        self.start(Start::Head)
    }

    /// Everything behind `position`: what the log still has, then what is published.
    ///
    /// What it has no more comes as a gap first; so does all of it where the position is not
    /// known.
    pub fn subscribe_since(&self, position: Position) -> Subscribe {
        self.start(Start::After(position))
    }

    /// Up to this many of the newest publications, then what is published.
    pub fn subscribe_recent(&self, publications: usize) -> Subscribe {
        self.start(Start::Recent(publications))
    }

    /// How many listen to the channel, on all nodes, and where it stands.
    ///
    /// Over a broker the other nodes' numbers are up to
    /// [`HubConfig::check_period`] old, and those of a node that died count for up to three of them.
    ///
    /// # Errors
    ///
    /// Where the broker cannot be asked.
    pub async fn stats(&self) -> Result<ChannelStats, Unavailable> {
        self.hub.channel_stats(&self.channel).await
    }

    fn start(&self, start: Start) -> Subscribe {
        Subscribe::new(self.hub.clone(), self.channel.clone(), start)
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelHandle").field(&self.channel).finish()
    }
}
