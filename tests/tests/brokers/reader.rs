//! A subscriber that holds its broker to the rule.

use encke::{ChannelHandle, Data, Delivery, Gap, Position, Subscription};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// How long anything may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A subscription, and what it has been given.
pub(crate) struct Reader {
    subscription: Subscription,
}

impl Reader {
    /// One that starts at the head.
    pub(crate) async fn at_head(channel: &ChannelHandle) -> Self {
        Self::over(channel.subscribe().await.unwrap())
    }

    /// One that continues from a position.
    pub(crate) async fn since(channel: &ChannelHandle, position: Position) -> Self {
        Self::over(channel.subscribe_since(position).await.unwrap())
    }

    pub(crate) fn over(subscription: Subscription) -> Self {
        Self { subscription }
    }

    pub(crate) fn position(&self) -> Position {
        self.subscription.position()
    }

    /// What comes next, whatever that is.
    pub(crate) async fn next(&mut self) -> Delivery {
        let stood = self.position();
        let next = timeout(PATIENCE, self.subscription.next()).await;
        let next = next.unwrap_or_else(|_| panic!("nothing follows {stood}"));
        let next = next.expect("the hub lives");
        match &next {
            Delivery::Publication(publication) => {
                assert_eq!(
                    publication.position.offset,
                    stood.offset + 1,
                    "behind {stood}"
                );
            }
            Delivery::Gap(Gap {
                from: Some(from),
                to,
            }) => {
                assert_eq!(*from, stood.offset + 1, "gap to {to} behind {stood}");
            }
            Delivery::Gap(_) => {}
        }
        next
    }

    /// The next publication's data; nothing may be missing before it.
    pub(crate) async fn data(&mut self) -> Data {
        let stood = self.position();
        match self.next().await {
            Delivery::Publication(publication) => publication.data,
            Delivery::Gap(gap) => panic!("{gap:?} behind {stood}"),
        }
    }

    /// The next publication's text.
    pub(crate) async fn text(&mut self) -> String {
        match self.data().await {
            Data::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The texts of so many publications.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.text().await);
        }
        texts
    }

    /// The gap that comes next.
    pub(crate) async fn gap(&mut self) -> Gap {
        match self.next().await {
            Delivery::Gap(gap) => gap,
            Delivery::Publication(publication) => panic!("{publication:?}"),
        }
    }
}

/// Publishes texts, one after the other; gives the last position.
pub(crate) async fn publish_all<S: Into<String>>(
    channel: &ChannelHandle,
    texts: impl IntoIterator<Item = S>,
) -> Position {
    let mut last = None;
    for text in texts {
        last = Some(channel.publish(text.into()).await.unwrap());
    }
    last.expect("something to publish")
}
