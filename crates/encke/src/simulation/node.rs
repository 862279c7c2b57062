//! A node: a hub over the simulated engine, that can be killed.

use super::{
    report::{State, reached},
    simulated_broker::SimulatedBroker,
    truth::Id,
    world::Shared,
};
use crate::{Hub, PublishError};
use std::sync::Arc;
use tokio::task::JoinSet;

pub(super) struct Node {
    pub(super) hub: Hub,
    /// Publishers that wait for an answer of this node.
    publishers: JoinSet<()>,
}

impl Node {
    pub(super) fn start(world: &Shared, index: usize) -> Self {
        let broker = SimulatedBroker::new(world.clone(), index);
        let config = world.lock().profile.config.clone();
        let hub = Hub::over(config, Arc::new(broker));
        let connection = &world.lock().connections[index];
        connection.announcements.reach(&hub);
        Self {
            hub,
            publishers: JoinSet::new(),
        }
    }

    pub(super) fn publish(&mut self, world: &Shared, id: Id) {
        let mut locked = world.lock();
        let attempts = &mut locked.checker.publications[id];
        attempts.perhaps += 1;
        let (channel, key) = (attempts.channel, attempts.key.clone());
        let channel = locked.channels[channel].clone();
        let data = locked.data(id);
        locked.trace(|_| format!("publish {id} on {}, key {key:?}", channel.as_str()));
        drop(locked);
        let handle = self.hub.channel(channel.as_str()).expect("a good name");
        let mut publish = handle.publish(data);
        if let Some(key) = key {
            publish = publish.idempotency_key(key);
        }
        let world = world.clone();
        self.publishers.spawn(async move {
            let answer = publish.await;
            let mut world = world.lock();
            world.trace(|_| format!("publication {id}: {answer:?}"));
            match answer {
                Ok(position) => {
                    let world = &mut *world;
                    world.checker.acknowledged(id, position, &world.engine);
                }
                Err(PublishError::Unanswered(_)) => reached(State::PublishedPerhaps),
                Err(_) => {
                    reached(State::PublishedNothing);
                    world.checker.publications[id].perhaps -= 1;
                }
            }
        });
    }
}
