//! What the client of a WebSocket said, on its way to a broker: in its order, one after the other.
//!
//! Bounded by what one read brings: no more is read from the client meanwhile.

use crate::{
    broker::Publishing,
    hub::Shared,
    publish::{PublishError, Published},
};
use encke_proto::{Channel, Data};
use futures_util::FutureExt;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Publications of one client.
#[derive(Default)]
pub(super) struct Saying {
    asked: Option<Published>,
    waiting: VecDeque<Publishing>,
}

impl Saying {
    /// Whether everything that was said is published.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_none() && self.waiting.is_empty()
    }

    /// The client said this.
    pub(super) fn say(&mut self, channel: Channel, data: Data) {
        self.waiting.push_back(Publishing {
            channel,
            data,
            idempotency_key: None,
        });
    }

    /// Ready once everything is published, or one thing could not be: what follows that is not
    /// published either.
    pub(super) fn poll(
        &mut self,
        hub: &Arc<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PublishError>> {
        loop {
            if let Some(asked) = &mut self.asked {
                let published = ready!(asked.poll_unpin(cx));
                self.asked = None;
                if let Err(error) = published {
                    self.waiting.clear();
                    return Poll::Ready(Err(error));
                }
            }
            let Some(next) = self.waiting.pop_front() else {
                return Poll::Ready(Ok(()));
            };
            self.asked = Some(hub.publish(&next));
        }
    }
}
