//! Whether the engine can be asked: told by the connection, and believed once the streams answered.

use super::{Shared, streams};
use crate::{broker::Link, random};
use async_nats::{Event, connection::State};
use std::{
    sync::{
        Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

/// How often the connection is looked at although it tells of its changes: it may forget to, when it
/// has much to tell.
const LOOK: Duration = Duration::from_secs(1);

/// Between two attempts at streams that do not answer.
const RETRY: Duration = Duration::from_millis(500);

/// The longest that a node waits before it tries to connect again.
const RECONNECT: Duration = Duration::from_secs(2);

/// A ping is sent after this much silence; after three of them the connection is given up.
pub(super) const PING: Duration = Duration::from_millis(1500);

/// What the connection tells of itself.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) link: watch::Sender<Link>,
    /// Told of every change.
    pub(super) changed: Notify,
    /// Subscriptions dropped announcements: how often.
    pub(super) dropped: AtomicU64,
    /// What the server said last that was no answer.
    complaint: Mutex<Option<String>>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            link: watch::Sender::new(Link::Down("not connected yet".into())),
            changed: Notify::new(),
            dropped: AtomicU64::new(0),
            complaint: Mutex::default(),
        }
    }

    pub(super) fn handle(&self, event: &Event) {
        match event {
            Event::Disconnected | Event::Closed => self.down("the connection was lost"),
            Event::SlowConsumer(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Event::ServerError(error) => {
                tracing::warn!(%error, "the NATS server complains");
                let mut complaint = self
                    .complaint
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *complaint = Some(error.to_string());
            }
            _ => {}
        }
        self.changed.notify_one();
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let complaint = self.complaint.lock();
        complaint.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn down(&self, reason: &str) {
        let link = Link::Down(reason.into());
        self.link.send_if_modified(|before| {
            let is_news = *before != link;
            *before = link;
            is_news
        });
    }
}

/// How long to wait before the next attempt, of many nodes at once: full jitter.
pub(super) fn delay(attempts: usize) -> Duration {
    let most = Duration::from_millis(100 << attempts.min(10)).min(RECONNECT);
    most.mul_f64(random::fraction())
}

/// Keeps the link true for as long as the broker is there. `generations` counts the connections over
/// which the streams answered.
pub(super) async fn watch(shared: Weak<Shared>, generations: watch::Sender<u64>, first: u64) {
    let mut established = first;
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let events = strong.events.clone();
        drop(strong);
        let has_to = tokio::select! {
            _ = timeout(LOOK, events.changed.notified()) => false,
            () = checked(&shared) => true,
        };
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let client = shared.requests.client();
        if client.connection_state() != State::Connected {
            shared.events.down("the connection was lost");
            shared.requests.give_up();
            continue;
        }
        let connections = client.statistics().connects.load(Ordering::Relaxed);
        if connections == established && !has_to && *shared.events.link.borrow() == Link::Up {
            continue;
        }
        if connections != established {
            shared.requests.give_up();
        }
        match streams::establish(&shared).await {
            Ok(()) => {
                established = connections;
                let is_same = client.statistics().connects.load(Ordering::Relaxed) == connections;
                if is_same && client.connection_state() == State::Connected {
                    shared.events.link.send_replace(Link::Up);
                    generations.send_modify(|generation| *generation += 1);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the streams on the NATS servers cannot be used");
                shared.events.down(&error.to_string());
                drop(shared);
                sleep(RETRY.mul_f64(0.5 + random::fraction())).await;
            }
        }
    }
}

/// Returns when somebody wants the streams to be looked at.
async fn checked(shared: &Weak<Shared>) {
    let Some(check) = shared.upgrade().map(|shared| shared.check.clone()) else {
        return;
    };
    check.notified().await;
}
