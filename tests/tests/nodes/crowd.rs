//! The clients of a node that was killed, at once at another.

use encke_tests::{Client, Redis, Way};
use futures_util::future::join_all;

use crate::{node, publish};

const CROWD: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_crowd_that_comes_from_a_killed_node_costs_the_engine_two_reads_and_misses_nothing() {
    let redis = Redis::start().await;
    // So that nothing is asked but what the clients make a node ask.
    let quiet = ["--check-period", "1h"];
    let (mut a, b) = (node(&redis, &quiet).await, node(&redis, &quiet).await);
    let c = node(&redis, &quiet).await;
    let server = a.address();
    let mut clients = join_all((0..CROWD).map(|_| Client::listen(server, Way::Sse))).await;
    for number in 1..=10 {
        publish(&c, number).await;
    }
    join_all(clients.iter_mut().map(|client| client.until("item 10."))).await;
    a.kill().await;
    for number in 11..=30 {
        publish(&c, number).await;
    }
    redis.forget_calls().await;
    let server = b.address();
    let coming_back = clients.iter().map(async |client| {
        let mut client = Client::listen_since(server, Way::Sse, client.position()).await;
        client.until("item 30.").await;
        client
    });
    let mut clients = join_all(coming_back).await;
    let calls = redis.all_calls().await;
    publish(&c, 31).await;
    for client in &mut clients {
        client.until("item 31.").await;
        let expected: Vec<_> = (11..=31).collect();
        assert_eq!(client.numbers(), expected, "{}", client.seen());
    }
    // One for whoever came first, and one for all who came while that was on its way. Only the script
    // that reads a channel uses XRANGE when nothing is published.
    let reads = calls.get("xrange").copied().unwrap_or_default();
    assert!((1..=2).contains(&reads), "{calls:?}");
    let scripts = calls.get("evalsha").copied().unwrap_or_default();
    assert!(scripts <= 4, "{calls:?}");
}
