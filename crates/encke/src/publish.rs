//! A publication on its way to its channel.

use crate::{
    broker::{BrokerError, Publishing},
    hub::Shared,
};
use encke_proto::{Channel, Data, Position};
use futures_util::future::{BoxFuture, Either, Ready};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Longest key of a publication, in bytes.
const MAX_KEY: usize = 255;

/// A publication to be made: `.await` it for its [`Position`].
///
/// # Errors
///
/// [`PublishError`], which tells what became of it.
///
/// # Cancel safety
///
/// Dropped before it was awaited, nothing is published. In a hub of its own the await never waits.
/// Over a broker, dropped while it waits, it may have been published or not, as with
/// [`PublishError::Unanswered`].
#[must_use = "nothing is published until it is awaited"]
pub struct Publish {
    hub: Arc<Shared>,
    publishing: Publishing,
}

impl Publish {
    pub(crate) fn new(hub: Arc<Shared>, channel: Channel, data: Data) -> Self {
        Self {
            hub,
            publishing: Publishing {
                channel,
                data,
                idempotency_key: None,
            },
        }
    }

    /// Publishes once, however often it is asked for: with a key that was used on this channel
    /// before, on any node, nothing is published and the first position is given again.
    ///
    /// 1 to 255 bytes. Keys are remembered for
    /// [`HubConfig::idempotency_window`](crate::HubConfig::idempotency_window). The data are not
    /// compared.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let news = encke::Hub::default().channel("news")?;
    /// let first = news.publish("kiki").idempotency_key("order-17").await?;
    /// let again = news.publish("kiki").idempotency_key("order-17").await?;
    /// assert_eq!(first, again);
    /// # Ok(()) }
    /// ```
    pub fn idempotency_key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.publishing.idempotency_key = Some(key.into());
        self
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("channel", &self.publishing.channel)
            .field("data", &self.publishing.data)
            .finish()
    }
}

impl IntoFuture for Publish {
    type Output = Result<Position, PublishError>;
    type IntoFuture = PublishFuture;

    fn into_future(self) -> PublishFuture {
        PublishFuture(Stage::Made(self))
    }
}

/// The future of a [`Publish`].
#[must_use = "nothing is published until it is awaited"]
pub struct PublishFuture(Stage);

enum Stage {
    Made(Publish),
    Asked(Published),
}

/// The answer to a publisher: there at once, where there is no broker to be asked.
pub(crate) type Published = Either<
    Ready<Result<Position, PublishError>>,
    BoxFuture<'static, Result<Position, PublishError>>,
>;

impl Future for PublishFuture {
    type Output = Result<Position, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                Stage::Made(publish) => {
                    let asked = publish.hub.publish(&publish.publishing);
                    self.0 = Stage::Asked(asked);
                }
                Stage::Asked(published) => return Pin::new(published).poll(cx),
            }
        }
    }
}

impl fmt::Debug for PublishFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishFuture").finish_non_exhaustive()
    }
}

/// Why no position is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The hub was shut down; nothing was published.
    #[error("the hub is shut down")]
    ShutDown,
    /// The idempotency key is empty or too long; nothing was published.
    #[error("an idempotency key has 1 to {MAX_KEY} bytes, not {0}")]
    InvalidKey(usize),
    /// The broker could not be asked in time; nothing was published.
    #[error("nothing was published: the broker is away: {0}")]
    Unavailable(Arc<str>),
    /// The broker was asked and did not answer: it may have been published. Publish again with the
    /// same idempotency key to know.
    #[error("it may have been published or not: the broker did not answer: {0}")]
    Unanswered(Arc<str>),
    /// The broker took it for nothing it could keep; nothing was published.
    #[error("nothing was published: the broker refused: {0}")]
    Refused(Arc<str>),
}

impl PublishError {
    pub(crate) fn check_key(key: Option<&str>) -> Result<(), Self> {
        match key.map(str::len) {
            None | Some(1..=MAX_KEY) => Ok(()),
            Some(len) => Err(Self::InvalidKey(len)),
        }
    }
}

impl From<BrokerError> for PublishError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Away(reason) => Self::Unavailable(reason),
            BrokerError::Unanswered(reason) => Self::Unanswered(reason),
            BrokerError::Refused(reason) => Self::Refused(reason),
        }
    }
}
