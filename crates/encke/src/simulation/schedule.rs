//! One schedule: a seed, what happens, and what became of it.

use super::{
    node::Node,
    profile::Profile,
    rng::Rng,
    subscriber::{Kind, Nodes, Order, Subscriber},
    world::{Shared, World},
};
use crate::random::seeded;
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// What broke the rule.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    /// What happened before, if that was asked for.
    pub(super) trace: Vec<String>,
}

/// Runs the schedule of this seed.
pub(super) fn run(seed: u64, is_traced: bool) -> Result<(), Failure> {
    seeded::begin(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO");
    let outcome = runtime.block_on(async {
        let mut schedule = Schedule::new(seed, is_traced);
        schedule.run().await;
        schedule.outcome()
    });
    drop(runtime);
    seeded::end();
    outcome
}

pub(super) struct Schedule {
    pub(super) world: Shared,
    pub(super) rng: Rng,
    /// `None` where it was killed.
    pub(super) nodes: Vec<Option<Node>>,
    known: Arc<Nodes>,
    pub(super) subscribers: Vec<mpsc::UnboundedSender<Order>>,
}

impl Schedule {
    fn new(seed: u64, is_traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let profile = Profile::draw(&mut rng);
        let (nodes, subscribers) = (profile.nodes, profile.subscribers);
        let mut world = World::new(rng.clone(), profile, is_traced);
        world.trace(|world| format!("{:?}", world.profile));
        let world = Shared::new(world);
        let mut schedule = Self {
            nodes: (0..nodes)
                .map(|node| Some(Node::start(&world, node)))
                .collect(),
            world,
            rng,
            known: Arc::default(),
            subscribers: Vec::new(),
        };
        schedule.tell_hubs();
        (0..subscribers).for_each(|_| schedule.add_subscriber());
        schedule
    }

    async fn run(&mut self) {
        let (steps, pause) = {
            let world = self.world.lock();
            (world.profile.steps, world.profile.pause)
        };
        for _ in 0..steps {
            let pause = self.rng.millis(0..=pause);
            self.world.pass(pause).await;
            if self.has_failed() {
                return;
            }
            self.step();
        }
        self.heal();
        self.settle().await;
        let mut world = self.world.lock();
        let World {
            checker, engine, ..
        } = &mut *world;
        checker.end(engine);
    }

    /// Lets everyone come to the head, for as long as that may take: two checks, of which the first
    /// may find that something was heard just before, and what was asked before all was repaired.
    async fn settle(&self) {
        let period = self.world.lock().profile.config.check_period;
        let until = Instant::now() + 3 * period + Duration::from_secs(15);
        while Instant::now() < until && !self.has_failed() {
            self.world.pass(Duration::from_secs(1)).await;
            let mut world = self.world.lock();
            let World {
                checker, engine, ..
            } = &mut *world;
            if checker.straggler(engine).is_none() {
                return;
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.world.lock().checker.failure().is_some()
    }

    fn outcome(&mut self) -> Result<(), Failure> {
        let mut world = self.world.lock();
        let trace = world.take_trace();
        match world.checker.failure() {
            None => Ok(()),
            Some(what) => Err(Failure {
                what: what.to_owned(),
                trace,
            }),
        }
    }

    /// Everything is repaired, and everyone reads.
    fn heal(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_none() {
                self.start(node);
            }
        }
        let mut world = self.world.lock();
        world.trace(|_| "all is repaired".to_owned());
        world.repair();
        drop(world);
        self.known.are_repaired();
    }

    pub(super) fn draw_channel(&mut self) -> usize {
        let channels = self.world.lock().channels.len();
        self.rng.below(channels)
    }

    pub(super) fn tell_hubs(&self) {
        let hubs = self.nodes.iter();
        let hubs = hubs.map(|node| Some(node.as_ref()?.hub.clone())).collect();
        self.known.set(hubs);
    }

    fn add_subscriber(&mut self) {
        let (orders, receiver) = mpsc::unbounded_channel();
        let mut world = self.world.lock();
        let kind = match world.profile.is_large || self.rng.happens(500) {
            true => Kind::Library,
            false => Kind::Session,
        };
        let first = self.rng.below(world.channels.len());
        let mut channels = vec![first];
        if kind == Kind::Session && self.rng.happens(300) {
            let others = (0..world.channels.len()).filter(|channel| *channel != first);
            channels.extend(others);
        }
        let name = format!("subscriber {} ({kind:?})", self.subscribers.len());
        let followers = channels.iter();
        let followers = followers.map(|channel| world.checker.add_follower(name.clone(), *channel));
        let followers = followers.collect();
        let is_slow = self.rng.happens(world.profile.slow);
        let pace = if is_slow {
            self.rng.pick(&[20, 500, 4_000])
        } else {
            0
        };
        let channels: Arc<[_]> = channels
            .iter()
            .map(|index| world.channels[*index].clone())
            .collect();
        drop(world);
        let subscriber = Subscriber {
            name,
            world: self.world.clone(),
            nodes: self.known.clone(),
            kind,
            channels,
            followers,
            pace: Duration::from_millis(pace),
            token: None,
        };
        tokio::spawn(subscriber.run(receiver));
        self.subscribers.push(orders);
    }
}
