//! How many listen on all nodes, also when one of them is gone.

use std::time::Duration;

use encke_tests::{Client, Redis, Way};
use tokio::time::{Instant, sleep};

use crate::{PATIENCE, node, statistics};

const PERIOD: Duration = Duration::from_millis(200);

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn who_listened_to_a_killed_node_is_counted_for_three_check_periods_at_most() {
    let redis = Redis::start().await;
    let options = ["--check-period", "200ms"];
    let (mut a, b) = (node(&redis, &options).await, node(&redis, &options).await);
    let mut clients = Vec::new();
    for way in Way::ALL {
        clients.push(Client::listen(a.address(), way).await);
        clients.push(Client::listen(b.address(), way).await);
    }
    until_counted(&a, 8).await;
    until_counted(&b, 8).await;
    a.kill().await;
    let took = until_counted(&b, 4).await;
    // And what a busy machine needs for a question.
    assert!(took < 3 * PERIOD + Duration::from_secs(1), "{took:?}");
}

/// Asks until so many listen; gives how long it took.
async fn until_counted(node: &encke_tests::Program, listeners: u64) -> Duration {
    let begun = Instant::now();
    loop {
        let counted = statistics(node).await;
        if counted["subscribers"] == listeners {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "not {listeners}: {counted}");
        sleep(Duration::from_millis(10)).await;
    }
}
