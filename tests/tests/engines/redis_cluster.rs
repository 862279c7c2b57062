//! Redis Cluster.

use encke_tests::RedisCluster;
use tokio::net::TcpStream;

/// A key that `node` has.
async fn key_of(cluster: &RedisCluster, node: usize) -> String {
    for number in 0.. {
        let key = format!("key {number}");
        if cluster.master(cluster.slot(&key).await).await == node {
            return key;
        }
    }
    unreachable!("every node has slots")
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_replica_takes_over_and_the_old_master_follows_it() {
    let builder = RedisCluster::builder().with_replicas().with_data();
    let mut cluster = builder.start().await;
    let key = key_of(&cluster, 1).await;
    cluster.nodes()[1].command(&["SET", &key, "a"]).await;
    cluster.nodes()[1].command(&["WAIT", "1", "5000"]).await;

    cluster.node_mut(1).kill().await;
    assert_eq!(cluster.wait_for_failover(1).await, 4);
    assert_eq!(cluster.master(cluster.slot(&key).await).await, 4);
    assert_eq!(cluster.nodes()[4].command(&["GET", &key]).await, "a");
    cluster.nodes()[4].command(&["SET", &key, "b"]).await;

    cluster.node_mut(1).restart().await;
    cluster.wait_until_ready().await;
    assert_eq!(cluster.fail_over(4).await, 1);
    assert_eq!(cluster.nodes()[1].command(&["GET", &key]).await, "b");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_slot_moves_with_its_keys() {
    let cluster = RedisCluster::start().await;
    let key = key_of(&cluster, 0).await;
    let slot = cluster.slot(&key).await;
    let names = ["\u{e9}", "a\nb", "*"].map(|name| format!("{name}{{{key}}}"));
    for name in &names {
        cluster.nodes()[0]
            .command(&["XADD", name, "*", "a", name])
            .await;
    }
    cluster.begin_migration(slot, 2).await;
    let missing = cluster.nodes()[0].try_command(&["GET", &key]).await;
    assert!(
        missing
            .expect_err("it is made elsewhere")
            .starts_with("ASK")
    );

    cluster.finish_migration(slot, 2).await;
    assert_eq!(cluster.master(slot).await, 2);
    for name in &names {
        assert_eq!(cluster.nodes()[2].command(&["XLEN", name]).await, "1");
        let moved = cluster.nodes()[1].try_command(&["XLEN", name]).await;
        let address = cluster.address(2);
        assert_eq!(moved, Err(format!("MOVED {slot} {address}")));
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn nodes_come_back_with_their_slots_and_with_their_data_or_without() {
    let mut cluster = RedisCluster::builder().with_data().start().await;
    let keys = [key_of(&cluster, 1).await, key_of(&cluster, 2).await];
    for (node, key) in [(1, &keys[0]), (2, &keys[1])] {
        cluster.nodes()[node].command(&["SET", key, "a"]).await;
    }
    cluster.node_mut(1).restart().await;
    cluster.node_mut(2).restart_without_data().await;
    cluster.wait_until_ready().await;
    for (node, key, value) in [(1, &keys[0], "a"), (2, &keys[1], "(nil)")] {
        assert_eq!(cluster.nodes()[node].command(&["GET", key]).await, value);
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn clients_are_sent_to_proxies_also_after_a_restart() {
    let mut cluster = RedisCluster::builder().with_proxies().start().await;
    let [a, b, c] = [0, 1, 2].map(|node| cluster.address(node));
    assert_eq!(cluster.url(), format!("redis://{a},{b},{c}"));
    let key = key_of(&cluster, 1).await;
    let slot = cluster.slot(&key).await;
    let moved = Err(format!("MOVED {slot} {b}"));
    assert_eq!(cluster.nodes()[0].try_command(&["GET", &key]).await, moved);

    cluster.node_mut(1).restart().await;
    cluster.wait_until_ready().await;
    assert_eq!(cluster.nodes()[0].try_command(&["GET", &key]).await, moved);
    assert_eq!(cluster.proxy(1).address(), b);
    assert!(TcpStream::connect(b).await.is_ok());
}
