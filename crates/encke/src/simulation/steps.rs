//! What may happen between two moments of a schedule.

use super::{
    engine::Left,
    node::Node,
    profile::Faults,
    report::{State, reached},
    schedule::Schedule,
    subscriber::Order,
};
use std::time::Duration;

impl Schedule {
    /// Does something, as likely as the profile says.
    pub(super) fn step(&mut self) {
        let Faults {
            cut,
            restart,
            lose_newest,
            lose_all,
            forget_channel,
            long_away,
            clock,
            kill,
        } = self.world.lock().profile.faults;
        type Step = fn(&mut Schedule);
        let steps: [(u32, Step); 14] = [
            (45, Self::publish),
            (4, Self::publish_many),
            (7, Self::publish_again),
            (5, Self::send_away),
            (4, Self::pause_reader),
            (1, Self::lie),
            (cut, Self::cut),
            (restart, Self::restart),
            (lose_newest, Self::lose_newest),
            (lose_all, Self::lose_all),
            (forget_channel, Self::forget_channel),
            (long_away, Self::stay_away),
            (clock, Self::put_clock),
            (2 * kill, Self::kill_or_start),
        ];
        let total: u32 = steps.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.rng.below(total as usize) as u32;
        for (weight, step) in steps {
            if drawn < weight {
                return step(self);
            }
            drawn -= weight;
        }
    }

    fn publish(&mut self) {
        let channel = self.draw_channel();
        let mut world = self.world.lock();
        let next = world.checker.publications.len();
        let key = self.rng.happens(400).then(|| format!("key {next}"));
        let id = world.checker.add_publication(channel, key);
        drop(world);
        self.publish_somewhere(id);
    }

    fn publish_many(&mut self) {
        (0..self.rng.between(2..=12)).for_each(|_| self.publish());
    }

    /// As a publisher does that was told too little.
    fn publish_again(&mut self) {
        let world = self.world.lock();
        let publications = &world.checker.publications;
        let newest = publications.len().min(10);
        if newest == 0 {
            return;
        }
        let id = publications.len() - 1 - self.rng.below(newest);
        let has_key = publications[id].key.is_some();
        drop(world);
        if has_key {
            reached(State::PublishedAgain);
            self.publish_somewhere(id);
        }
    }

    fn publish_somewhere(&mut self, id: usize) {
        let node = self.rng.below(self.nodes.len());
        if let Some(node) = &mut self.nodes[node] {
            node.publish(&self.world, id);
        }
    }

    fn send_away(&mut self) {
        let most = self.rng.pick(&[0, 100, 3_000, 20_000]);
        let away = self.rng.millis(0..=most);
        self.order_someone(Order::Leave(away));
    }

    fn pause_reader(&mut self) {
        let world = self.world.lock();
        let reads_slowly = world.profile.slow > 0;
        drop(world);
        if reads_slowly {
            let most = self.rng.pick(&[100, 3_000, 15_000]);
            let pause = self.rng.millis(0..=most);
            self.order_someone(Order::Pause(pause));
        }
    }

    fn lie(&mut self) {
        self.order_someone(Order::Lie);
    }

    fn order_someone(&mut self, order: Order) {
        let index = self.rng.below(self.subscribers.len());
        self.world
            .lock()
            .trace(|_| format!("subscriber {index}: {order:?}"));
        let _ = self.subscribers[index].send(order);
    }

    fn cut(&mut self) {
        reached(State::Cut);
        let node = self.rng.below(self.nodes.len());
        let most = self.rng.pick(&[0, 100, 8_000]);
        let unnoticed = self.rng.millis(0..=most);
        let mut world = self.world.lock();
        world.trace(|_| format!("node {node} is cut, unnoticed for {unnoticed:?}"));
        world.cut(node, unnoticed);
    }

    fn restart(&mut self) {
        reached(State::EngineRestarted);
        let left = self.rng.pick(&[Left::Same, Left::AllBut(0)]);
        self.engine_goes(3_000, left);
    }

    fn lose_newest(&mut self) {
        reached(State::EngineLostNewest);
        let lost = self.rng.between(1..=12);
        self.engine_goes(3_000, Left::AllBut(lost));
    }

    fn lose_all(&mut self) {
        reached(State::EngineLostAll);
        self.engine_goes(3_000, Left::Nothing);
    }

    fn stay_away(&mut self) {
        reached(State::EngineLongAway);
        let longest = self.world.lock().profile.config.retention.longest();
        let longest = longest.min(Duration::from_secs(20)).as_millis() as u64;
        self.engine_goes(2 * longest, Left::Same);
    }

    fn engine_goes(&mut self, most: u64, left: Left) {
        let away = self.rng.millis(0..=most);
        let mut world = self.world.lock();
        if !world.engine.is_away() {
            world.trace(|_| format!("engine goes for {away:?}"));
            world.engine_goes(away, left);
        }
    }

    fn forget_channel(&mut self) {
        reached(State::ChannelForgotten);
        let channel = self.draw_channel();
        let mut world = self.world.lock();
        world.trace(|_| format!("engine forgets {channel}"));
        world.engine.forget(channel);
    }

    fn put_clock(&mut self) {
        let most = self.rng.pick(&[1_000, 600_000]);
        let by = self.rng.between(0..=most) as i64;
        let forward = self.rng.pick(&[by, -by]);
        reached(match forward < 0 {
            true => State::ClockBack,
            false => State::ClockForward,
        });
        let mut world = self.world.lock();
        world.trace(|_| format!("clock goes by {forward} ms"));
        world.engine.put_clock(forward);
    }

    fn kill_or_start(&mut self) {
        let node = self.rng.below(self.nodes.len());
        match self.nodes[node].is_some() {
            true => self.kill(node),
            false => self.start(node),
        }
    }

    fn kill(&mut self, node: usize) {
        reached(State::NodeKilled);
        let mut world = self.world.lock();
        world.trace(|_| format!("node {node} is killed"));
        world.connections[node].replace_process();
        drop(world);
        self.nodes[node] = None;
        self.tell_hubs();
        for subscriber in &self.subscribers {
            let _ = subscriber.send(Order::Died(node));
        }
    }

    pub(super) fn start(&mut self, node: usize) {
        reached(State::NodeStarted);
        self.nodes[node] = Some(Node::start(&self.world, node));
        let mut world = self.world.lock();
        world.trace(|_| format!("node {node} starts"));
        if world.engine.is_away() {
            world.cut(node, Duration::ZERO);
        }
        drop(world);
        self.tell_hubs();
    }
}
