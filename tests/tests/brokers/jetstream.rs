//! What is NATS's own: markers, reads of JetStream, what its disk lost, and what others write there.

use crate::{
    backend::connect,
    reader::{PATIENCE, Reader, publish_all},
};
use encke::{Hub, HubConfig, Position};
use encke_tests::Nats;
use std::time::Duration;

/// Subjects of the channels "news" and "other".
const SUBJECTS: [&str; 2] = ["ENCKE.p.bmV3cw", "ENCKE.p.b3RoZXI"];

async fn node(nats: &Nats) -> Hub {
    let config = HubConfig::default().broker_patience(PATIENCE);
    connect(&nats.url(), config.check_period(Duration::from_millis(500))).await
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let numbers = numbers.into_iter();
    numbers.map(|number| number.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn what_was_missed_is_read_whole_whether_it_is_little_or_much() {
    let nats = Nats::start().await;
    let writer = node(&nats).await;
    let news = writer.channel("news").unwrap();
    let last = publish_all(&news, numbers(1..=500)).await;
    // Message by message, by one batch of a consumer, by several.
    for missed in [1, 2, 5, 50, 100, 101, 496] {
        let fresh = node(&nats).await;
        let there = fresh.channel("news").unwrap();
        let seen = Position::new(last.epoch, last.offset - missed as u64);
        let mut late = Reader::since(&there, seen).await;
        assert_eq!(late.texts(missed).await, numbers(501 - missed..=500));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_quiet_channel_with_listeners_keeps_its_position() {
    let nats = Nats::start().await;
    let second = Duration::from_secs(1);
    let config = HubConfig::default()
        .check_period(second / 2)
        .history(10, second)
        .live_window(1 << 20, second)
        .idempotency_window(second);
    let hub = connect(&format!("{}?head_age=4", nats.url()), config).await;
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    let first = publish_all(&news, ["1"]).await;
    assert_eq!(reader.text().await, "1");
    // Twice as long as the server keeps a message, by its own clock.
    tokio::time::sleep(8 * second).await;
    let second = publish_all(&news, ["2"]).await;
    assert_eq!(second, Position::new(first.epoch, first.offset + 1));
    assert_eq!(reader.text().await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_server_that_lost_its_newest_messages_uses_no_position_twice() {
    let mut nats = Nats::start().await;
    let (a, b) = (node(&nats).await, node(&nats).await);
    let news = a.channel("news").unwrap();
    let mut saw_all = Reader::at_head(&b.channel("news").unwrap()).await;
    let kept = publish_all(&news, numbers(1..=5)).await;
    assert_eq!(saw_all.texts(5).await, numbers(1..=5));
    nats.remember();
    let lost = publish_all(&news, numbers(6..=8)).await;
    assert_eq!(saw_all.texts(3).await, numbers(6..=8));
    nats.restart_as_remembered().await;
    // A node that knows nothing of what was lost.
    let fresh = node(&nats).await;
    let there = fresh.channel("news").unwrap();
    let after = publish_all(&there, ["9"]).await;
    assert_eq!(after.offset, 6);
    assert_ne!(after.epoch, kept.epoch);
    let gap = saw_all.gap().await;
    assert_eq!((gap.from, gap.to.epoch), (None, after.epoch));
    if gap.to != after {
        assert_eq!(saw_all.text().await, "9");
    }
    // Who saw no more than is kept has missed nothing; who saw more is told.
    let mut behind = Reader::since(&there, kept).await;
    assert_eq!(behind.text().await, "9");
    let mut ahead = Reader::since(&there, lost).await;
    assert_eq!(ahead.gap().await.from, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn messages_of_others_are_passed_over() {
    let nats = Nats::start().await;
    let (a, b) = (node(&nats).await, node(&nats).await);
    let news = a.channel("news").unwrap();
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    let first = publish_all(&news, ["1"]).await;
    for subject in SUBJECTS {
        let stored = nats.request(subject, "no headers").await;
        assert!(stored.contains("\"seq\""), "{stored}");
    }
    publish_all(&news, ["2", "3"]).await;
    assert_eq!(reader.texts(3).await, numbers(1..=3));
    let fresh = node(&nats).await;
    let mut late = Reader::since(&fresh.channel("news").unwrap(), first).await;
    assert_eq!(late.texts(2).await, ["2", "3"]);
    let other = fresh.channel("other").unwrap();
    let mut reader = Reader::at_head(&other).await;
    publish_all(&other, ["1", "2"]).await;
    assert_eq!(reader.texts(2).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_key_may_be_what_a_header_cannot_hold() {
    let nats = Nats::start().await;
    let (a, b) = (node(&nats).await, node(&nats).await);
    let (here, there) = (a.channel("orders").unwrap(), b.channel("orders").unwrap());
    let key = "ключ\r\n17: x";
    let first = here.publish("a").idempotency_key(key).await.unwrap();
    publish_all(&there, ["b"]).await;
    let again = there.publish("a").idempotency_key(key).await.unwrap();
    assert_eq!(first, again);
}
