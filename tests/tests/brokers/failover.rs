//! What a subscriber sees when a replica takes over.

use crate::{
    backend::connect,
    reader::{PATIENCE, Reader, publish_all},
};
use encke::{Delivery, Hub, HubConfig, Position, PublishError};
use encke_tests::{NatsCluster, RedisCluster, Sentinel};
use futures_util::future::join_all;
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use tokio::time::{sleep, timeout};

fn config() -> HubConfig {
    HubConfig::default()
        .broker_patience(PATIENCE)
        .check_period(Duration::from_secs(1))
}

/// Publishes until it is answered: whatever the old master was asked, the new one answers.
async fn publish(hub: &Hub, text: &str) -> Position {
    let news = hub.channel("news").unwrap();
    loop {
        match news.publish(text).idempotency_key(text).await {
            Ok(position) => return position,
            Err(PublishError::Unanswered(_) | PublishError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads up to a text: the rule holds, and no text comes twice, unless after a gap that cannot be
/// counted. Gives the texts, and whether there was a gap.
async fn read_up_to(reader: &mut Reader, last: &str) -> (Vec<String>, bool) {
    let (mut texts, mut gap) = (Vec::new(), false);
    while texts.last().map(String::as_str) != Some(last) {
        match reader.next().await {
            Delivery::Publication(publication) => {
                let encke::Data::Text(text) = publication.data else {
                    panic!("{:?}", publication.data);
                };
                assert!(!texts.iter().any(|seen| **seen == *text), "{text} twice");
                texts.push(text.to_string());
            }
            Delivery::Gap(_) => gap = true,
        }
    }
    (texts, gap)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_replica_of_a_cluster_takes_over_and_nobody_is_given_anything_twice() {
    let mut cluster = RedisCluster::builder()
        .with_replicas()
        .with_data()
        .start()
        .await;
    let a = connect(&cluster.url(), config()).await;
    let b = connect(&cluster.url(), config()).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    publish_all(&a.channel("news").unwrap(), ["1", "2", "3"]).await;
    let slot = cluster.slot("{news}").await;
    let master = cluster.master(slot).await;
    cluster.node_mut(master).kill().await;
    cluster.wait_for_failover(master).await;
    publish(&a, "4").await;
    publish(&b, "5").await;
    let (texts, gap) = read_up_to(&mut reader, "5").await;
    // Replication had the time it takes: nothing was lost.
    assert_eq!(
        (texts, gap),
        (["1", "2", "3", "4", "5"].map(String::from).to_vec(), false)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn what_a_replica_had_not_got_is_told_and_its_positions_are_not_used_again() {
    let mut cluster = RedisCluster::builder()
        .with_replicas()
        .with_data()
        .start()
        .await;
    let a = connect(&cluster.url(), config()).await;
    let news = a.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    publish_all(&news, ["1", "2"]).await;
    let slot = cluster.slot("{news}").await;
    let master = cluster.master(slot).await;
    let replica = master + 3;
    let caught_up = async {
        let offset = async |node: usize, field: &str| {
            let info = cluster.nodes()[node]
                .command(&["INFO", "replication"])
                .await;
            let line = info.lines().find_map(|line| line.strip_prefix(field));
            line.map(str::to_owned)
        };
        while offset(master, "master_repl_offset:").await
            != offset(replica, "slave_repl_offset:").await
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, caught_up)
        .await
        .expect("a replica follows");
    // One that its master does not let in gets nothing of what follows.
    let nodes = cluster.nodes();
    nodes[replica]
        .command(&["CONFIG", "SET", "masterauth", "wrong"])
        .await;
    nodes[master]
        .command(&["CLIENT", "KILL", "TYPE", "replica"])
        .await;
    let lost = publish_all(&news, ["3", "4"]).await;
    let (seen, _) = read_up_to(&mut reader, "4").await;
    assert_eq!(seen, ["1", "2", "3", "4"]);
    cluster.node_mut(master).kill().await;
    cluster.wait_for_failover(master).await;
    publish(&a, "5").await;
    // This one has seen what nobody has any more.
    let gap = reader.gap().await;
    assert_eq!((gap.from, gap.to.offset), (None, 2));
    assert_ne!(gap.to.epoch, lost.epoch);
    assert_eq!(reader.text().await, "5");
    // This one has not, and misses nothing of what there is.
    let mut before = lost;
    before.offset = 2;
    let mut late = Reader::since(&news, before).await;
    assert_eq!(late.text().await, "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_slot_that_moves_takes_its_subscribers_along() {
    let cluster = RedisCluster::builder().with_data().start().await;
    let a = connect(&cluster.url(), config()).await;
    let b = connect(&cluster.url(), config()).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    publish(&a, "1").await;
    let slot = cluster.slot("{news}").await;
    let master = cluster.master(slot).await;
    cluster.migrate_slot(slot, (master + 1) % 3).await;
    for number in 2..20 {
        publish(&a, &number.to_string()).await;
    }
    let (texts, gap) = read_up_to(&mut reader, "19").await;
    assert_eq!((texts.len(), gap), (19, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-sentinel: cargo xtask test"]
async fn sentinels_name_another_master_and_publishing_goes_on_there() {
    let mut sentinel = Sentinel::start().await;
    let a = connect(&sentinel.url(), config()).await;
    let b = connect(&sentinel.url(), config()).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    publish_all(&a.channel("news").unwrap(), ["1", "2"]).await;
    assert_eq!(reader.texts(2).await, ["1", "2"]);
    let old = sentinel.kill_master().await;
    sentinel.wait_for_failover(old).await;
    publish(&a, "3").await;
    let (texts, _) = read_up_to(&mut reader, "3").await;
    assert_eq!(texts, ["3"]);
}

/// Three servers of NATS, a node at each, and who listens there.
struct Trio {
    cluster: NatsCluster,
    nodes: Vec<Hub>,
    readers: Vec<Reader>,
}

impl Trio {
    async fn start(replicas: u8) -> Self {
        let cluster = NatsCluster::start().await;
        let (mut nodes, mut readers) = (Vec::new(), Vec::new());
        for server in cluster.servers() {
            // It learns of the others from this one.
            let url = format!("{}?replicas={replicas}", server.url());
            let node = connect(&url, config().history(100_000, 10 * PATIENCE)).await;
            readers.push(Reader::at_head(&node.channel("news").unwrap()).await);
            nodes.push(node);
        }
        Self {
            cluster,
            nodes,
            readers,
        }
    }

    /// Has something happen while every node publishes, and everyone who listens be given just what
    /// was published, in one order.
    async fn publish_while<T>(
        &mut self,
        round: &str,
        happens: impl AsyncFnOnce(&mut NatsCluster) -> T,
    ) -> T {
        let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let publishing = self.nodes.iter().enumerate().map(async |(number, node)| {
            let mut published = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let text = format!("{round}:{number}:{}", published.len());
                published.push((publish(node, &text).await, text));
                count.fetch_add(1, Ordering::Relaxed);
            }
            published
        });
        let goes_on = async || {
            let enough = count.load(Ordering::Relaxed) + 100;
            while count.load(Ordering::Relaxed) < enough {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let happening = async {
            timeout(PATIENCE, goes_on()).await.expect("publishing");
            let happened = happens(&mut self.cluster).await;
            timeout(PATIENCE, goes_on())
                .await
                .expect("publishing still");
            done.store(true, Ordering::Relaxed);
            happened
        };
        let (published, happened) = tokio::join!(join_all(publishing), happening);
        let mut published = published.concat();
        published.sort_by_key(|(position, _)| position.offset);
        let epochs: HashSet<_> = published.iter().map(|(at, _)| at.epoch).collect();
        assert!(epochs.len() <= 2, "one for what happened: {epochs:?}");
        let texts: Vec<_> = published.into_iter().map(|(_, text)| text).collect();
        for reader in &mut self.readers {
            assert_eq!(reader.texts(texts.len()).await, texts);
        }
        happened
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server 2.9.21 or later: cargo xtask test, where that is installed"]
async fn from_nats_2_9_21_a_replica_takes_over_from_one_killed_or_paused_and_nobody_notices() {
    let replicas = NatsCluster::replicas().expect("nats-server 2.9.21 or later");
    let mut trio = Trio::start(replicas).await;
    let epoch = trio.nodes[0].channel("news").unwrap();
    let epoch = epoch.publish("first").await.unwrap().epoch;
    for reader in &mut trio.readers {
        assert_eq!(reader.text().await, "first");
    }
    let killed = async |cluster: &mut NatsCluster| {
        let killed = cluster.kill_leader("ENCKE").await;
        cluster.leader_of_stream("ENCKE").await;
        killed
    };
    let dead = trio.publish_while("killed", killed).await;
    let returned = async |cluster: &mut NatsCluster| {
        cluster.server_mut(dead).restart().await;
        cluster.wait_until_ready().await;
        cluster.wait_until_replicated("ENCKE").await;
    };
    trio.publish_while("returned", returned).await;
    let paused = async |cluster: &mut NatsCluster| {
        let paused = cluster.leader_of_stream("ENCKE").await;
        cluster.server_mut(paused).pause();
        cluster.leader_of_stream("ENCKE").await;
        paused
    };
    let asleep = trio.publish_while("paused", paused).await;
    // For a moment, it takes itself for the leader.
    let resumed = async |cluster: &mut NatsCluster| {
        cluster.server_mut(asleep).resume();
        cluster.wait_until_replicated("ENCKE").await;
    };
    trio.publish_while("resumed", resumed).await;
    for reader in &trio.readers {
        assert_eq!(reader.position().epoch, epoch);
    }
    let gaps = trio.nodes.iter().map(|node| node.stats().gaps);
    assert_eq!(gaps.sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn the_one_server_of_nats_that_has_a_stream_is_waited_for_and_nobody_misses_anything() {
    let mut trio = Trio::start(1).await;
    let returned = async |cluster: &mut NatsCluster| {
        let dead = cluster.kill_leader("ENCKE").await;
        cluster.server_mut(dead).restart().await;
        cluster.leader_of_stream("ENCKE").await;
    };
    trio.publish_while("killed", returned).await;
    let resumed = async |cluster: &mut NatsCluster| {
        let leader = cluster.leader_of_stream("ENCKE").await;
        cluster.server_mut(leader).pause();
        sleep(Duration::from_secs(3)).await;
        cluster.server_mut(leader).resume();
    };
    trio.publish_while("paused", resumed).await;
}
