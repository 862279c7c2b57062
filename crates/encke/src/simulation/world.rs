//! Everything that is not a hub, under one lock: the engine, what is on its way to and from it, and
//! what subscribers were told.

use super::{
    checker::Checker,
    connection::Connection,
    engine::Engine,
    events::{Event, Events},
    profile::Profile,
    rng::Rng,
};
use encke_proto::{Channel, Data};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) profile: Profile,
    pub(super) channels: Vec<Channel>,
    pub(super) engine: Engine,
    pub(super) events: Events,
    /// One for each node.
    pub(super) connections: Vec<Connection>,
    pub(super) checker: Checker,
    /// No faults any more.
    pub(super) is_whole: bool,
    begun: Instant,
    trace: Option<Vec<String>>,
}

/// The world, as all tasks of a schedule have it.
#[derive(Clone)]
pub(super) struct Shared {
    world: Arc<Mutex<World>>,
    /// Told of what is to happen sooner than is waited for.
    sooner: Arc<Notify>,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            sooner: Arc::default(),
        }
    }

    /// Lets time pass, and everything happen that comes with it, unless the rule is broken.
    pub(super) async fn pass(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let next = self.lock().events.await_next(until);
            if timeout_at(next, self.sooner.notified()).await.is_ok() {
                continue;
            }
            self.happen();
            if Instant::now() >= until || self.lock().checker.failure().is_some() {
                return;
            }
        }
    }

    /// Has what is to happen waited for.
    pub(super) fn expect(&self, world: MutexGuard<'_, World>) {
        if world.events.is_sooner() {
            self.sooner.notify_one();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub(super) fn new(mut rng: Rng, profile: Profile, is_traced: bool) -> Self {
        let names = ["a", "b {1}", "ü/*"].map(str::to_owned);
        let names = names.into_iter().chain((3..).map(|n| n.to_string()));
        let config = &profile.config;
        let engine = Engine::new(
            profile.channels,
            config.retention,
            config.idempotency_window,
        );
        let connections = (0..profile.nodes).map(|_| Connection::new());
        Self {
            channels: names
                .take(profile.channels)
                .map(|name| Channel::new(name).expect("a good name"))
                .collect(),
            connections: connections.collect(),
            engine,
            events: Events::default(),
            checker: Checker::default(),
            is_whole: false,
            begun: Instant::now(),
            trace: is_traced.then(Vec::new),
            rng: Rng::new(rng.number()),
            profile,
        }
    }

    pub(super) fn channel_index(&self, channel: &Channel) -> usize {
        let mut channels = self.channels.iter();
        let index = channels.position(|known| known == channel);
        index.expect("only the channels of the world are used")
    }

    /// Has something happen after some time.
    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.events.push(Instant::now() + delay, event);
    }

    /// How long a message of this node takes.
    pub(super) fn delay_on(&mut self, node: usize) -> Duration {
        let network = self.network();
        let most = match self.rng.happens(network.slow) {
            true => network.slow_delay,
            false => network.delay,
        };
        let delay = self.rng.millis(0..=most);
        if delay > Duration::from_millis(500) {
            self.connections[node].is_in_trouble();
        }
        delay
    }

    /// What messages meet now.
    pub(super) fn network(&self) -> super::profile::Network {
        match self.is_whole {
            true => super::profile::Network {
                delay: self.profile.network.delay,
                ..Default::default()
            },
            false => self.profile.network,
        }
    }

    /// Data that tells the number of its publication.
    pub(super) fn data(&self, id: usize) -> Data {
        match self.profile.is_large {
            true => super::data::large(id),
            false => Data::from(id.to_string()),
        }
    }

    pub(super) fn trace(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("{:>9.3} {}", self.begun.elapsed().as_secs_f64(), line(self));
        self.trace
            .iter_mut()
            .for_each(|trace| trace.push(line.clone()));
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }
}
