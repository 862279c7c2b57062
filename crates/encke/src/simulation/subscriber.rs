//! A subscriber: listens, falls behind, goes away, and comes back with what it was told last.

use super::{
    engine::Engine,
    feed::{self, Feed, Item, Place, Told},
    report::{State, reached},
    rng::Rng,
    world::{Shared, World},
};
use crate::{Hub, sync::lock};
use encke_proto::{Channel, Epoch, Position};
use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

/// What a subscriber is made to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Goes away, and comes back somewhere.
    Leave(Duration),
    /// Comes back and claims to have been told something else.
    Lie,
    /// Reads nothing for a while.
    Pause(Duration),
    /// The node it may be on is dead.
    Died(usize),
}

/// What subscribers know of the nodes.
#[derive(Default)]
pub(super) struct Nodes {
    /// Those that are there.
    hubs: Mutex<Vec<Option<Hub>>>,
    /// Told when nobody goes away any more, or takes its time.
    repaired: Notify,
}

impl Nodes {
    pub(super) fn set(&self, hubs: Vec<Option<Hub>>) {
        *lock(&self.hubs) = hubs;
    }

    pub(super) fn are_repaired(&self) {
        self.repaired.notify_waiters();
    }

    fn draw(&self, rng: &mut Rng) -> Option<(usize, Hub)> {
        let hubs = lock(&self.hubs);
        let there = hubs.iter().enumerate();
        let there = there.filter_map(|(node, hub)| Some((node, hub.as_ref()?)));
        let there: Vec<_> = there.collect();
        if there.is_empty() {
            return None;
        }
        let (node, hub) = rng.pick(&there);
        Some((node, hub.clone()))
    }
}

pub(super) type Orders = mpsc::UnboundedReceiver<Order>;

pub(super) struct Subscriber {
    pub(super) name: String,
    pub(super) world: Shared,
    pub(super) nodes: Arc<Nodes>,
    pub(super) kind: Kind,
    pub(super) channels: Arc<[Channel]>,
    /// In the checker, one for each channel.
    pub(super) followers: Vec<usize>,
    /// How long it takes over each publication, at most.
    pub(super) pace: Duration,
    pub(super) token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Library,
    Session,
}

impl Subscriber {
    /// Until the schedule ends.
    pub(super) async fn run(mut self, mut orders: Orders) {
        loop {
            let drawn = self.nodes.draw(&mut self.world.lock().rng);
            let Some((node, hub)) = drawn else {
                self.rest(Duration::from_millis(300)).await;
                continue;
            };
            let feed = tokio::select! {
                biased;
                Some(order) = orders.recv() => {
                    self.obey_outside(order).await;
                    continue;
                }
                feed = self.open(node, &hub) => feed,
            };
            drop(hub);
            match feed {
                Ok(feed) => self.listen(node, feed, &mut orders).await,
                Err(delay) => self.rest(delay).await,
            }
        }
    }

    async fn open(&self, node: usize, hub: &Hub) -> Result<Feed, Duration> {
        let begun = Instant::now();
        let place = {
            let mut world = self.world.lock();
            let place = self.place(&mut world);
            world.trace(|_| format!("{} opens on node {node}: {place:?}", self.name));
            place
        };
        let opened = match self.kind {
            Kind::Library => feed::subscribe(hub, &self.channels[0], place).await,
            Kind::Session => feed::listen(hub, self.channels.clone(), place).await,
        };
        opened.map_err(|feed::TurnedAway| {
            reached(State::Unavailable);
            let mut world = self.world.lock();
            world.trace(|_| format!("{} is turned away", self.name));
            if world.connections[node].was_well_since(begun) {
                let failure = format!("{} is turned away although all is well", self.name);
                world.checker.fail(failure);
            }
            world.rng.millis(100..=1_000)
        })
    }

    fn place(&self, world: &mut World) -> Place {
        let at = self
            .followers
            .iter()
            .map(|follower| world.checker.position(*follower));
        let Some(at) = at.collect::<Option<Vec<_>>>() else {
            return match world.rng.happens(500) {
                true => Place::Head,
                false => Place::Recent(world.rng.below(30)),
            };
        };
        reached(State::CameBack);
        match &self.token {
            Some(token) if world.rng.happens(800) => Place::Token(token.clone()),
            _ => Place::After(at),
        }
    }

    async fn listen(&mut self, node: usize, mut feed: Feed, orders: &mut Orders) {
        if !self.world.lock().connections[node].is_up() {
            reached(State::AttachedWhileDown);
        }
        loop {
            let told = tokio::select! {
                biased;
                Some(order) = orders.recv() => match self.obey(node, order).await {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(order) => {
                        drop(feed);
                        return self.obey_outside(order).await;
                    }
                },
                told = feed.next() => told,
            };
            let Some(told) = told else {
                reached(State::Stalled);
                return;
            };
            self.take(told).await;
        }
    }

    /// Does what it is told while it is connected; gives back what ends that.
    async fn obey(&mut self, node: usize, order: Order) -> ControlFlow<Order> {
        match order {
            Order::Pause(pause) => self.rest(pause).await,
            Order::Died(dead) if dead != node => {}
            order => return ControlFlow::Break(order),
        }
        ControlFlow::Continue(())
    }

    /// Does what it is told while it is not.
    async fn obey_outside(&mut self, order: Order) {
        match order {
            Order::Leave(away) => self.rest(away).await,
            Order::Died(_) => self.rest(Duration::from_millis(20)).await,
            Order::Lie => self.lie(),
            Order::Pause(_) => {}
        }
    }

    /// Claims positions of an epoch that never was, or of publications that are yet to come.
    fn lie(&mut self) {
        let mut world = self.world.lock();
        let world = &mut *world;
        for follower in &self.followers {
            let Some(at) = world.checker.position(*follower) else {
                return;
            };
            let offset = world.rng.between(0..=200);
            let position = match world.rng.happens(700) {
                true => Position::new(Epoch::new(1_000_000 + world.rng.between(0..=30)), offset),
                false => Position::new(at.epoch, at.offset + 1_000 + offset),
            };
            world.checker.lie(*follower, position);
        }
        self.token = None;
    }

    async fn take(&mut self, told: Told) {
        let pause = {
            let mut world = self.world.lock();
            world.trace(|_| format!("{} is told {told:?}", self.name));
            let World {
                checker, engine, ..
            } = &mut *world;
            let engine: &mut Engine = engine;
            match told.item {
                None => {}
                Some(Item::Publication {
                    channel,
                    position,
                    id,
                }) => {
                    checker.publication(self.followers[channel], position, id, engine);
                }
                Some(Item::Gap { channel, gap }) => {
                    checker.gap(self.followers[channel], gap, engine);
                }
            }
            let followers = self.followers.iter().zip(told.stands);
            followers.for_each(|(follower, at)| checker.stands(*follower, at, engine));
            self.token = told.token;
            match world.is_whole || self.pace.is_zero() {
                true => return,
                false => world.rng.millis(0..=self.pace.as_millis() as u64),
            }
        };
        self.rest(pause).await;
    }

    /// Does nothing for so long, or until nobody does nothing any more.
    async fn rest(&mut self, time: Duration) {
        if self.world.lock().is_whole {
            return sleep(time.min(Duration::from_millis(100))).await;
        }
        let _ = timeout(time, self.nodes.repaired.notified()).await;
    }
}
