//! Redis under sentinels.

use encke_tests::Sentinel;

#[tokio::test]
#[ignore = "needs redis-sentinel: cargo xtask test"]
async fn the_replica_takes_the_place_of_a_killed_master() {
    let mut watched = Sentinel::start().await;
    let url = watched.url();
    assert!(url.starts_with("redis+sentinel://127.0.0.1:"), "{url}");
    assert!(url.ends_with("/mymaster"), "{url}");
    assert_eq!(watched.master().await, 0);
    watched.nodes()[0].command(&["SET", "a", "1"]).await;
    watched.nodes()[0].command(&["WAIT", "1", "5000"]).await;

    assert_eq!(watched.kill_master().await, 0);
    assert_eq!(watched.wait_for_failover(0).await, 1);
    assert_eq!(watched.nodes()[1].command(&["GET", "a"]).await, "1");
    assert_eq!(watched.nodes()[1].command(&["SET", "a", "2"]).await, "OK");
}

#[tokio::test]
#[ignore = "needs redis-sentinel: cargo xtask test"]
async fn three_sentinels_agree_to_fail_over() {
    let mut watched = Sentinel::start_with(3).await;
    assert_eq!(watched.url().matches("127.0.0.1:").count(), 3);
    watched.sentinel_mut(0).kill().await;
    assert_eq!(watched.fail_over().await, 1);
    assert_eq!(watched.nodes()[1].command(&["SET", "a", "1"]).await, "OK");
}
