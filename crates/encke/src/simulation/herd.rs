//! What a crowd that comes at once costs the engine.

use super::{
    node::Node,
    profile::Profile,
    rng::Rng,
    world::{Shared, World},
};
use crate::{Delivery, Hub, HubConfig, Subscription};
use encke_proto::{Data, Epoch, Position};
use futures_util::{FutureExt, StreamExt};
use std::time::Duration;
use tokio::{
    task::{JoinSet, unconstrained},
    time::sleep,
};

/// Publications there are when the crowd comes.
const HEAD: u64 = 200;

/// Subscribers in a crowd.
const CROWD: u64 = 5_000;

/// A node that is told nothing by itself, and checks nothing.
fn node(channels: usize) -> (Shared, Node) {
    let config = HubConfig::default()
        .history(1_000, Duration::from_secs(3_600))
        .check_period(Duration::from_secs(3_600))
        .broker_patience(Duration::from_secs(30));
    let profile = Profile::calm(1, channels, config);
    let world = Shared::new(World::new(Rng::new(1), profile, false));
    let node = Node::start(&world, 0);
    (world, node)
}

fn publish(world: &Shared, channel: usize, id: usize) -> Position {
    let data = Data::from(id.to_string());
    let mut world = world.lock();
    world.engine.publish(channel, id, data, None).0
}

/// Subscribes them, one each so often: every tenth from an epoch of its own that nobody knows.
fn crowd(hub: &Hub, epoch: Epoch, pause: Duration) -> JoinSet<(u64, Subscription)> {
    let channel = hub.channel("a").expect("a good name");
    let mut crowd = JoinSet::new();
    for number in 0..CROWD {
        let channel = channel.clone();
        let position = match number % 10 {
            0 => Position::new(Epoch::new(1_000_000 + number), 7),
            _ => Position::new(epoch, number % HEAD),
        };
        crowd.spawn(async move {
            sleep(pause * number as u32).await;
            let subscribed = channel.subscribe_since(position).await;
            let misses = match position.epoch == epoch {
                true => HEAD - position.offset,
                false => HEAD,
            };
            (misses, subscribed.expect("the broker is well"))
        });
    }
    crowd
}

/// Counts what everyone is given, and how often the engine was read.
async fn reads_of(world: &Shared, mut crowd: JoinSet<(u64, Subscription)>) -> u64 {
    world.pass(Duration::from_secs(20)).await;
    let mut came = 0;
    while let Some(joined) = crowd.try_join_next() {
        let (misses, mut subscription) = joined.expect("it does not panic");
        let mut given = 0;
        while let Some(delivery) = unconstrained(subscription.next()).now_or_never() {
            given += u64::from(matches!(delivery, Some(Delivery::Publication(_))));
        }
        assert_eq!(given, misses);
        came += 1;
    }
    assert_eq!(came, CROWD);
    world.lock().engine.reads
}

fn filled() -> (Shared, Node, Epoch) {
    let (world, node) = node(1);
    let mut newest = Position::UNKNOWN;
    for id in 1..=HEAD {
        newest = publish(&world, 0, id as usize);
    }
    (world, node, newest.epoch)
}

#[tokio::test(start_paused = true)]
async fn simulation_of_5000_who_come_at_once_reads_a_channel_three_times_at_most() {
    let (world, node, epoch) = filled();
    let crowd = crowd(&node.hub, epoch, Duration::ZERO);
    let reads = reads_of(&world, crowd).await;
    assert!(reads <= 3, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn simulation_of_5000_who_come_while_the_broker_is_slow_reads_no_more() {
    let (world, node, epoch) = filled();
    world.lock().profile.network.delay = 500;
    let crowd = crowd(&node.hub, epoch, Duration::from_micros(100));
    let reads = reads_of(&world, crowd).await;
    assert!(reads <= 3, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn simulation_of_5000_whose_first_read_fails_reads_no_more() {
    let (world, node, epoch) = filled();
    world.lock().profile.network.lost_requests = 1_000;
    let crowd = crowd(&node.hub, epoch, Duration::ZERO);
    world.pass(Duration::from_millis(100)).await;
    world.lock().profile.network.lost_requests = 0;
    let reads = reads_of(&world, crowd).await;
    assert!(reads <= 3, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn simulation_of_a_reconnect_reads_the_channels_that_have_changed() {
    const CHANNELS: usize = 1_000;
    let (world, node) = node(CHANNELS);
    let names: Vec<_> = world.lock().channels.clone();
    let mut subscribed = JoinSet::new();
    for name in &names {
        let channel = node.hub.channel(name.as_str()).expect("a good name");
        subscribed.spawn(async move { channel.subscribe().await.expect("the broker is well") });
    }
    world.pass(Duration::from_secs(10)).await;
    let subscriptions = subscribed.join_all().await;
    assert_eq!(subscriptions.len(), CHANNELS);

    world.lock().cut(0, Duration::from_millis(500));
    let changed: Vec<_> = (0..CHANNELS).step_by(27).collect();
    for channel in &changed {
        publish(&world, *channel, 0);
    }
    let before = world.lock().engine.reads;
    world.pass(Duration::from_secs(10)).await;
    let reads = world.lock().engine.reads - before;
    assert_eq!(reads, changed.len() as u64);
    let given = subscriptions.into_iter().filter_map(|mut subscription| {
        let delivery = unconstrained(subscription.next()).now_or_never()?;
        matches!(delivery, Some(Delivery::Publication(_))).then_some(())
    });
    assert_eq!(given.count(), changed.len());
}
