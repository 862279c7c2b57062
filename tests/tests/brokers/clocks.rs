//! What a subscriber sees when a clock jumps.

use crate::{
    backend::connect,
    reader::{PATIENCE, Reader, publish_all},
};
use encke::{Hub, HubConfig};
use encke_tests::{Client, Clock, Program, Redis, Way};
use std::time::Duration;

const HOUR: i64 = 3_600;

async fn nodes() -> (Redis, Hub, Hub) {
    let redis = Redis::builder().with_clock().start().await;
    let config = HubConfig::default()
        .history(100, Duration::from_secs(300))
        .broker_patience(PATIENCE)
        .check_period(Duration::from_millis(200));
    let a = connect(&redis.url(), config.clone()).await;
    let b = connect(&redis.url(), config).await;
    (redis, a, b)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn who_listens_sees_nothing_of_a_clock_that_jumps() {
    let (redis, a, b) = nodes().await;
    let news = a.channel("news").unwrap();
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    for (round, seconds) in [0, HOUR, -HOUR, 12 * HOUR, 0].into_iter().enumerate() {
        redis.set_clock(seconds);
        let text = round.to_string();
        publish_all(&news, [text.clone(), format!("{text} again")]).await;
        assert_eq!(
            reader.texts(2).await,
            [text.clone(), format!("{text} again")]
        );
    }
    assert_eq!(b.stats().gaps, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_clock_that_jumps_forward_ends_history_early_and_says_so() {
    let (redis, a, b) = nodes().await;
    let news = a.channel("news").unwrap();
    let first = publish_all(&news, ["1"]).await;
    let third = publish_all(&news, ["2", "3"]).await;
    redis.set_clock(HOUR);
    publish_all(&news, ["4"]).await;
    let mut late = Reader::since(&b.channel("news").unwrap(), first).await;
    let gap = late.gap().await;
    assert_eq!((gap.from, gap.to), (Some(2), third));
    assert_eq!(late.text().await, "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_clock_that_jumps_back_loses_nothing() {
    let (redis, a, b) = nodes().await;
    let news = a.channel("news").unwrap();
    let first = publish_all(&news, ["1"]).await;
    publish_all(&news, ["2"]).await;
    redis.set_clock(-HOUR);
    publish_all(&news, ["3"]).await;
    let mut late = Reader::since(&b.channel("news").unwrap(), first).await;
    assert_eq!(late.texts(2).await, ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a C compiler: cargo xtask test"]
async fn a_node_does_not_go_by_the_clock() {
    let redis = Redis::start().await;
    for broker in ["memory:", &redis.url()] {
        let clock = Clock::new();
        let program = Program::start_by(&clock, &["--broker", broker]).await;
        let address = program.address();
        let mut live = Client::listen(address, Way::Ndjson).await;
        Client::post(address, "", "first").await;
        live.until("first").await;
        let since = live.position().to_owned();
        for seconds in [12 * HOUR, -12 * HOUR] {
            clock.set(seconds);
            let text = format!("at {seconds}");
            Client::post(address, "", &text).await;
            live.until(&text).await;
        }
        let mut late = Client::listen_since(address, Way::Ndjson, &since).await;
        let seen = late.until(&format!("at {}", -12 * HOUR)).await;
        assert!(
            seen.contains(&format!("at {}", 12 * HOUR)) && !seen.contains("gap"),
            "{seen}"
        );
    }
}
