//! What happens to everything that is on its way between nodes and engine.

use super::{
    engine::Left,
    events::{Event, Line},
    questions::Waiting,
    report::{State, reached},
    world::{Shared, World},
};
use crate::broker::BrokerError;
use encke_proto::{Data, Position};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

impl Shared {
    /// Has everything happen whose time has come.
    pub(super) fn happen(&self) {
        let now = Instant::now();
        loop {
            let mut world = self.lock();
            let Some(event) = world.events.pop(now) else {
                return;
            };
            // A hub is told without the lock: it may ask at once.
            match event {
                Event::Announce {
                    to,
                    node,
                    channel,
                    position,
                    data,
                } => {
                    if world.arrives(to) {
                        world.trace(|_| format!("node {} hears {channel} {position}", to.node));
                        let channel = world.channels[channel].clone();
                        drop(world);
                        node.published(&channel, position, data);
                    }
                }
                Event::Followed { to, node, channels } => {
                    if world.connections[to.node].carries(to) {
                        world.trace(|_| format!("node {} follows {channels:?}", to.node));
                        let channels = channels.iter().map(|index| world.channels[*index].clone());
                        let channels = channels.collect();
                        drop(world);
                        node.followed(channels);
                    }
                }
                event => world.happen(event),
            }
        }
    }
}

impl World {
    /// Has the engine hear of channels to announce, if it hears anything.
    pub(super) fn send_follow(&mut self, node: usize, channels: Vec<usize>) {
        let from = self.connections[node].line(node);
        self.send_in_order(node, Event::Follow { from, channels });
    }

    pub(super) fn send_unfollow(&mut self, node: usize, channel: usize) {
        let from = self.connections[node].line(node);
        self.send_in_order(node, Event::Unfollow { from, channel });
    }

    /// Cuts a connection; its node notices after some time.
    pub(super) fn cut(&mut self, node: usize, unnoticed: Duration) {
        let connection = &mut self.connections[node];
        connection.is_cut = true;
        connection.is_in_trouble();
        let line = connection.line(node);
        self.after(unnoticed, Event::Notice(line));
    }

    /// The engine goes away, and with it every connection.
    pub(super) fn engine_goes(&mut self, away: Duration, left: Left) {
        self.engine.left = Some(left);
        for node in 0..self.connections.len() {
            let unnoticed = self.rng.millis(0..=200);
            self.cut(node, unnoticed);
        }
        self.after(away, Event::Return);
    }

    /// Ends all faults.
    pub(super) fn repair(&mut self) {
        self.is_whole = true;
        self.engine_returns();
        for node in 0..self.connections.len() {
            if self.connections[node].is_cut {
                self.cut(node, Duration::from_millis(100));
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask {
                from,
                question,
                asked,
                reply,
            } => {
                self.handle_question(
                    from,
                    question,
                    reply.map(|reply| Waiting { from, asked, reply }),
                );
            }
            Event::Answer {
                from,
                answer,
                reply,
            } => {
                self.trace(|_| format!("node {} is answered {}", from.node, answer.is_ok()));
                if answer.is_err() {
                    self.connections[from.node].is_in_trouble();
                }
                let is_lost = answer.is_ok() && !self.connections[from.node].carries(from);
                let lost = || Err(BrokerError::Unanswered(Arc::from("cut")));
                let _ = reply.send(if is_lost { lost() } else { answer });
            }
            Event::Follow { from, channels } => {
                if self.is_heard(from) {
                    let connection = &mut self.connections[from.node];
                    connection.following.extend(&channels);
                    let node = connection.announcements.clone();
                    let followed = Event::Followed {
                        to: from,
                        node,
                        channels,
                    };
                    self.announce_in_order(from.node, followed);
                }
            }
            Event::Unfollow { from, channel } => {
                if self.is_heard(from) {
                    self.connections[from.node].following.remove(&channel);
                }
            }
            Event::Notice(line) => self.notice(line),
            Event::Connect(line) => self.connect(line),
            Event::Return => self.engine_returns(),
            Event::Announce { .. } | Event::Followed { .. } => {
                unreachable!("told without the lock")
            }
        }
    }

    fn engine_returns(&mut self) {
        self.trace(|world| format!("engine returns: {:?}", world.engine.left));
        let left = self.engine.left;
        let Self { engine, rng, .. } = self;
        engine.restart(rng);
        if let Some(Left::AllBut(lost)) = left
            && self.rng.happens(300)
        {
            self.replace(lost);
        }
    }

    /// Somebody publishes as many as were lost, before any node is back: the offsets of the heads are
    /// what they were.
    fn replace(&mut self, lost: u64) {
        reached(State::Replaced);
        for channel in 0..self.channels.len() {
            for _ in 0..lost {
                let id = self.checker.add_publication(channel, None);
                let data = self.data(id);
                self.checker.publications[id].perhaps = 1;
                self.engine.publish(channel, id, data, None);
            }
        }
    }

    pub(super) fn is_heard(&self, from: Line) -> bool {
        !self.engine.is_away() && self.connections[from.node].carries(from)
    }

    /// Whether an announcement arrives: perhaps also one of a connection that is gone.
    fn arrives(&mut self, to: Line) -> bool {
        if self.connections[to.node].carries(to) {
            return true;
        }
        let arrives = self.rng.happens(self.network().late_announcements);
        if arrives {
            reached(State::AnnouncedByADeadConnection);
        }
        arrives
    }

    pub(super) fn announce(&mut self, channel: usize, position: Position, data: &Data) {
        let network = self.network();
        for node in 0..self.connections.len() {
            let connection = &self.connections[node];
            if connection.is_cut || !connection.following.contains(&channel) {
                continue;
            }
            if self.rng.happens(network.lost_announcements) {
                reached(State::AnnouncementLost);
                continue;
            }
            let is_doubled = self.rng.happens(network.doubled_announcements);
            for _ in 0..1 + usize::from(is_doubled) {
                let event = Event::Announce {
                    to: self.connections[node].line(node),
                    node: self.connections[node].announcements.clone(),
                    channel,
                    position,
                    data: data.clone(),
                };
                self.announce_in_order(node, event);
            }
        }
    }

    fn send_in_order(&mut self, node: usize, event: Event) {
        let at = Instant::now() + self.delay_on(node);
        let connection = &mut self.connections[node];
        connection.to_engine = connection.to_engine.max(at);
        self.events.push(connection.to_engine, event);
    }

    fn announce_in_order(&mut self, node: usize, event: Event) {
        let at = Instant::now() + self.delay_on(node);
        let connection = &mut self.connections[node];
        connection.to_node = connection.to_node.max(at);
        self.events.push(connection.to_node, event);
    }

    fn notice(&mut self, line: Line) {
        let connection = &mut self.connections[line.node];
        if connection.number == line.number && connection.is_up() {
            connection.goes_down();
            self.trace(|_| format!("node {} notices", line.node));
            let delay = self.rng.millis(0..=3_000);
            self.after(delay, Event::Connect(line));
        }
    }

    fn connect(&mut self, line: Line) {
        if self.connections[line.node].number != line.number {
            return;
        }
        if self.engine.is_away() {
            let delay = self.rng.millis(50..=1_000);
            return self.after(delay, Event::Connect(line));
        }
        self.trace(|_| format!("node {} connects", line.node));
        let connection = &mut self.connections[line.node];
        connection.renew();
        let wanted: Vec<_> = connection.wanted.iter().copied().collect();
        if !wanted.is_empty() {
            self.send_follow(line.node, wanted);
        }
    }
}
