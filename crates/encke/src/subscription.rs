//! A subscription of the application's own.

use crate::{channel_log::Attachment, hub::Shared, log::Item, mark::Mark};
use encke_proto::{Gap, Position, Publication, Read};
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What a [`Subscription`] gives next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The next publication.
    Publication(Publication),
    /// Some that this subscription was too slow for, or came too late for.
    Gap(Gap),
}

/// A stream of what is published on a channel: every offset once and in order, or a gap that
/// covers it.
///
/// A slow reader holds nobody up and costs nothing: it is a place in the channel's log. The stream
/// ends when the hub is shut down and everything before was read.
///
/// # Cancel safety
///
/// A dropped `next()` loses nothing.
#[derive(Debug)]
pub struct Subscription {
    hub: Arc<Shared>,
    attachment: Attachment,
    cursor: Position,
    mark: Arc<Mark>,
}

impl Subscription {
    pub(crate) fn new(
        hub: Arc<Shared>,
        attachment: Attachment,
        cursor: Position,
        mark: Arc<Mark>,
    ) -> Self {
        Self {
            hub,
            attachment,
            cursor,
            mark,
        }
    }

    /// Where this subscription stands: behind what it gave last.
    ///
    /// [`subscribe_since`](crate::ChannelHandle::subscribe_since) continues from here.
    pub fn position(&self) -> Position {
        self.cursor
    }

    fn next_read(&mut self) -> Option<Read<Arc<Item>>> {
        self.attachment.read(&mut self.cursor, Shared::now())
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        self.mark.arm(cx.waker());
        let mut read = self.next_read();
        // Asked after the log's lock was held: the shutdown sets its mark under it. Then read again:
        // what was published before the end is given before it.
        let closing = read.is_none() && self.hub.is_closing();
        if closing {
            read = self.next_read();
        }
        let delivery = match read {
            Some(Read::Publication(item)) => Delivery::Publication(item.publication().clone()),
            Some(Read::Gap(gap)) => {
                self.hub.counters.gap();
                Delivery::Gap(gap)
            }
            None if closing => return Poll::Ready(None),
            None => return Poll::Pending,
        };
        coop.made_progress();
        Poll::Ready(Some(delivery))
    }
}
