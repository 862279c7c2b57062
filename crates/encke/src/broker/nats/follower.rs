//! The subscriptions to what is announced: one per channel, in one task.

use super::{
    Shared,
    clock::EngineTime,
    entry::{Entry, Headers, Raw, token},
    lanes::{Head, Lane},
};
use crate::broker::Announcements;
use async_nats::{Message, Subscriber};
use encke_proto::Channel;
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{AbortHandle, Abortable, FuturesUnordered, SelectAll, abortable},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Weak, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::interval,
};

/// Changes that are confirmed by one question.
const BATCH: usize = 256;

/// How often it is looked whether announcements were dropped.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be followed.
#[derive(Debug)]
pub(super) enum Command {
    Follow(Channel),
    Unfollow(Channel),
}

/// Hears what is announced, until nobody gives commands any more.
pub(super) async fn follow(
    shared: Weak<Shared>,
    announcements: Announcements,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut generations: watch::Receiver<u64>,
) {
    let mut follower = Follower {
        shared,
        announcements,
        followed: HashMap::new(),
        heard: SelectAll::new(),
        confirmations: FuturesUnordered::new(),
        dropped: 0,
    };
    let mut batch = Vec::with_capacity(BATCH);
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            count = commands.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                follower.obey(batch.drain(..)).await;
            }
            Some((lane, message)) = follower.heard.next(), if !follower.heard.is_empty() => {
                follower.hear(&lane, &message);
            }
            Some(channels) = follower.confirmations.next(), if !follower.confirmations.is_empty() => {
                follower.announcements.followed(channels);
            }
            changed = generations.changed() => {
                if changed.is_err() {
                    return;
                }
                follower.all_again();
            }
            _ = looks.tick() => follower.look_for_dropped(),
        }
    }
}

struct Follower {
    shared: Weak<Shared>,
    announcements: Announcements,
    followed: HashMap<Channel, AbortHandle>,
    heard: SelectAll<Abortable<Hearing>>,
    confirmations: FuturesUnordered<BoxFuture<'static, Vec<Channel>>>,
    dropped: u64,
}

impl Follower {
    async fn obey(&mut self, commands: impl Iterator<Item = Command>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut new = Vec::new();
        for command in commands {
            match command {
                Command::Follow(channel) => {
                    self.subscribe(&shared, &channel).await;
                    new.push(channel);
                }
                Command::Unfollow(channel) => {
                    if let Some(hearing) = self.followed.remove(&channel) {
                        hearing.abort();
                    }
                    if let Some(lane) = shared.lanes.find(&channel) {
                        lane.set_followed(false);
                    }
                }
            }
        }
        if !new.is_empty() {
            self.confirmations
                .push(confirm(self.shared.clone(), new).boxed());
        }
    }

    async fn subscribe(&mut self, shared: &Shared, channel: &Channel) {
        let subject = shared.streams.announcements(&token(channel));
        let subscriber = match shared.requests.client().subscribe(subject).await {
            Ok(subscriber) => subscriber,
            Err(error) => {
                // The client has ended, and with it the hub.
                tracing::warn!(%error, channel = channel.as_str(), "cannot follow a channel");
                return;
            }
        };
        let lane = shared.lanes.of(channel);
        lane.set_followed(true);
        let lane = (channel.clone(), lane);
        let (hearing, handle) = abortable(Hearing { lane, subscriber });
        if let Some(before) = self.followed.insert(channel.clone(), handle) {
            before.abort();
        }
        self.heard.push(hearing);
    }

    fn hear(&self, (channel, lane): &(Channel, Arc<Lane>), message: &Message) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let Some(entry) = read(message) else {
            shared.warn_of_others(&message.subject);
            return;
        };
        shared.lanes.saw(entry.sequence);
        let position = entry.place.position;
        lane.learn(Head::from(&entry));
        match entry.data {
            Some(data) => self.announcements.published(channel, position, data),
            // A marker may begin an epoch.
            None => self.announcements.followed(vec![channel.clone()]),
        }
    }

    /// The connection is another one: whatever was announced in between was missed.
    fn all_again(&self) {
        let all: Vec<_> = self.followed.keys().cloned().collect();
        for channels in all.chunks(BATCH) {
            self.announcements.followed(channels.to_vec());
        }
    }

    /// The client does not say of which channel it dropped announcements.
    fn look_for_dropped(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let dropped = shared.events.dropped.load(Ordering::Relaxed);
        if dropped != self.dropped {
            self.dropped = dropped;
            tracing::warn!(dropped, "announcements came faster than they were taken");
            self.all_again();
        }
    }
}

/// Gives the channels once the server has their subscriptions, and so has the one that announces: the
/// answer of the stream's leader comes the way that announcements come.
async fn confirm(shared: Weak<Shared>, channels: Vec<Channel>) -> Vec<Channel> {
    loop {
        let Some(shared) = shared.upgrade() else {
            return Vec::new();
        };
        let question = format!("STREAM.INFO.{}", shared.streams.name);
        let answer = shared.requests.api::<Value>(question, &Value::Null).await;
        if answer.is_ok() {
            return channels;
        }
        let mut link = shared.events.link.subscribe();
        drop(shared);
        tokio::time::sleep(super::link::delay(1)).await;
        let _ = link.wait_for(|link| *link == crate::broker::Link::Up).await;
    }
}

/// One subscription.
struct Hearing {
    lane: (Channel, Arc<Lane>),
    subscriber: Subscriber,
}

impl Stream for Hearing {
    type Item = ((Channel, Arc<Lane>), Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = std::task::ready!(self.subscriber.poll_next_unpin(cx));
        Poll::Ready(message.map(|message| (self.lane.clone(), message)))
    }
}

fn read(message: &Message) -> Option<Entry> {
    let headers = message.headers.clone()?;
    let sequence = headers.get("Nats-Sequence")?.as_str().parse().ok()?;
    Entry::read(&Raw {
        sequence,
        at: EngineTime(0),
        headers: Headers::Map(headers),
        payload: message.payload.clone(),
    })
}
