//! A broker for tests, in memory, that goes away and comes back when it is told to.

use super::{Announcements, Answer, Broker, BrokerError, Kept, Link, Publishing, Snapshot};
use crate::{Hub, HubConfig, log::Lineage};
use encke_proto::{Channel, Data, Epoch, Position};
use futures_util::{FutureExt, future::ready};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::watch;

const EPOCH: Epoch = Epoch::new(7);

/// There is one engine behind it, and one hub before it.
#[derive(Debug)]
pub(crate) struct FickleBroker {
    link: watch::Sender<Link>,
    announcements: Announcements,
    published: Mutex<Vec<Publishing>>,
    followed: Mutex<HashSet<Channel>>,
}

impl FickleBroker {
    /// One that is there, and its hub.
    pub(crate) fn with_hub(config: HubConfig) -> (Arc<Self>, Hub) {
        let broker = Arc::new(Self {
            link: watch::Sender::new(Link::Up),
            announcements: Announcements::default(),
            published: Mutex::default(),
            followed: Mutex::default(),
        });
        let hub = Hub::over(config, broker.clone());
        broker.announcements.reach(&hub);
        (broker, hub)
    }

    pub(crate) fn go_away(&self) {
        self.link.send_replace(Link::Down("it was told to".into()));
    }

    pub(crate) fn come_back(&self) {
        self.link.send_replace(Link::Up);
        let followed = self.followed.lock().unwrap().iter().cloned().collect();
        self.announcements.followed(followed);
    }

    /// What was published on this channel, in its order.
    pub(crate) fn published(&self, channel: &str) -> Vec<Data> {
        let published = self.lock().clone();
        let on_channel = published
            .into_iter()
            .filter(|publishing| publishing.channel.as_str() == channel);
        on_channel.map(|publishing| publishing.data).collect()
    }

    fn head(&self, channel: &Channel) -> Position {
        Position::new(EPOCH, self.published(channel.as_str()).len() as u64)
    }

    /// The answer, unless it is away.
    fn answer<T: Send + 'static>(&self, answer: impl FnOnce() -> T) -> Answer<T> {
        let answer = match &*self.link.borrow() {
            Link::Up => Ok(answer()),
            Link::Down(reason) => Err(BrokerError::Away(reason.clone())),
        };
        ready(answer).boxed()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Publishing>> {
        self.published.lock().unwrap()
    }
}

impl Broker for FickleBroker {
    fn publish(&self, publishing: Publishing) -> Answer<Position> {
        self.answer(|| {
            let Publishing { channel, data, .. } = publishing.clone();
            self.lock().push(publishing);
            let position = self.head(&channel);
            self.announcements.published(&channel, position, data);
            position
        })
    }

    fn follow(&self, channel: &Channel) {
        self.followed.lock().unwrap().insert(channel.clone());
        if *self.link.borrow() == Link::Up {
            let (announcements, channel) = (self.announcements.clone(), channel.clone());
            tokio::spawn(async move { announcements.followed(vec![channel]) });
        }
    }

    fn unfollow(&self, channel: &Channel) {
        self.followed.lock().unwrap().remove(channel);
    }

    fn read(&self, channel: &Channel, _: Option<Position>) -> Answer<Snapshot> {
        self.answer(|| {
            let published = self.published(channel.as_str());
            let kept = (1..).zip(published).map(|(offset, data)| Kept {
                offset,
                data,
                age: Duration::ZERO,
            });
            Snapshot {
                head: self.head(channel),
                lineage: Lineage::default(),
                kept: kept.collect(),
            }
        })
    }

    fn heads(&self, channels: &[Channel]) -> Answer<Vec<Option<Position>>> {
        self.answer(|| {
            let heads = channels.iter().map(|channel| Some(self.head(channel)));
            heads.collect()
        })
    }

    fn report(&self, _: &[(Channel, u64)], _: Duration) -> Answer<()> {
        self.answer(|| ())
    }

    fn audience(&self, channel: &Channel) -> Answer<(u64, Position)> {
        self.answer(|| (0, self.head(channel)))
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}
