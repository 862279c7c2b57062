//! A node's way to the simulated engine.

use super::{
    events::{Answered, Event, Question},
    report::{State, reached},
    world::{Shared, World},
};
use crate::broker::{ANSWER_LIMIT, Answer, Broker, BrokerError, Link, Publishing, Snapshot};
use encke_proto::{Channel, Position};
use std::{fmt, future::ready, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

pub(super) struct SimulatedBroker {
    world: Shared,
    node: usize,
    /// A process that was killed may be held by who has not noticed yet.
    process: u64,
}

impl SimulatedBroker {
    pub(super) fn new(world: Shared, node: usize) -> Self {
        let process = world.lock().connections[node].process;
        Self {
            world,
            node,
            process,
        }
    }

    fn lives(&self, world: &World) -> bool {
        world.connections[self.node].process == self.process
    }

    fn ask<T: Send + 'static>(
        &self,
        question: Question,
        take: impl FnOnce(Answered) -> Option<T> + Send + 'static,
    ) -> Answer<T> {
        let mut world = self.world.lock();
        if !self.lives(&world) || !world.connections[self.node].is_up() {
            let away = BrokerError::Away(Arc::from("cut"));
            return Box::pin(ready(Err(away)));
        }
        let (reply, answer) = oneshot::channel();
        let from = world.connections[self.node].line(self.node);
        let delay = world.delay_on(self.node);
        let asked = Instant::now();
        if delay < ANSWER_LIMIT {
            let reply = Some(reply);
            world.after(
                delay,
                Event::Ask {
                    from,
                    question,
                    asked,
                    reply,
                },
            );
        } else {
            reached(State::AnswerTooLate);
            let ask = Event::Ask {
                from,
                question,
                asked,
                reply: None,
            };
            world.after(delay, ask);
            let answer = Err(BrokerError::Unanswered(Arc::from("late")));
            world.after(
                ANSWER_LIMIT,
                Event::Answer {
                    from,
                    answer,
                    reply,
                },
            );
        }
        self.world.expect(world);
        Box::pin(async move {
            let answer = answer.await;
            let answered =
                answer.unwrap_or_else(|_| Err(BrokerError::Unanswered("gone".into())))?;
            Ok(take(answered).expect("the engine answers what it was asked"))
        })
    }
}

impl Broker for SimulatedBroker {
    fn publish(&self, publishing: Publishing) -> Answer<Position> {
        self.ask(Question::Publish(publishing), |answered| match answered {
            Answered::Published(position) => Some(position),
            _ => None,
        })
    }

    fn follow(&self, channel: &Channel) {
        let mut world = self.world.lock();
        if !self.lives(&world) {
            return;
        }
        let channel = world.channel_index(channel);
        world.connections[self.node].wanted.insert(channel);
        world.send_follow(self.node, vec![channel]);
        self.world.expect(world);
    }

    fn unfollow(&self, channel: &Channel) {
        let mut world = self.world.lock();
        if !self.lives(&world) {
            return;
        }
        let channel = world.channel_index(channel);
        world.connections[self.node].wanted.remove(&channel);
        world.send_unfollow(self.node, channel);
        self.world.expect(world);
    }

    fn read(&self, channel: &Channel, after: Option<Position>) -> Answer<Snapshot> {
        let channel = self.world.lock().channel_index(channel);
        self.ask(Question::Read(channel, after), |answered| match answered {
            Answered::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        })
    }

    fn heads(&self, channels: &[Channel]) -> Answer<Vec<Option<Position>>> {
        let world = self.world.lock();
        let channels = channels.iter().map(|channel| world.channel_index(channel));
        let channels = channels.collect();
        drop(world);
        self.ask(Question::Heads(channels), |answered| match answered {
            Answered::Heads(heads) => Some(heads),
            _ => None,
        })
    }

    fn report(&self, _: &[(Channel, u64)], _: Duration) -> Answer<()> {
        self.ask(Question::Report, |answered| {
            matches!(answered, Answered::Done).then_some(())
        })
    }

    fn audience(&self, channel: &Channel) -> Answer<(u64, Position)> {
        let channel = self.world.lock().channel_index(channel);
        self.ask(Question::Audience(channel), |answered| match answered {
            Answered::Audience(listeners, position) => Some((listeners, position)),
            _ => None,
        })
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.world.lock().connections[self.node].watch()
    }
}

impl fmt::Debug for SimulatedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimulatedBroker").field(&self.node).finish()
    }
}
