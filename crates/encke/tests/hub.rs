//! Channels from the application's side: the rule, and what a hub keeps.

use encke::{ChannelHandle, Delivery, Hub, HubConfig, Position, Subscription};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::advance;

async fn publish(channel: &ChannelHandle, count: usize) -> u64 {
    let mut offset = 0;
    for _ in 0..count {
        offset = channel.publish("x").await.unwrap().offset;
    }
    offset
}

/// What the subscription gives without waiting.
fn ready(subscription: &mut Subscription) -> Option<Delivery> {
    tokio::task::coop::unconstrained(subscription.next())
        .now_or_never()
        .flatten()
}

/// Publishes 60, waits, publishes 60 more; gives what a client that saw 57 gets first and next.
async fn recover_from_57_after(wait: Duration) -> (Hub, Delivery, Vec<u64>) {
    let hub = Hub::default();
    let news = hub.channel("news").unwrap();
    publish(&news, 57).await;
    let seen = news.subscribe().await.unwrap().position();
    publish(&news, 3).await;
    tokio::time::sleep(wait).await;
    publish(&news, 60).await;
    let mut late = news.subscribe_since(seen).await.unwrap();
    let first = ready(&mut late).unwrap();
    let rest = std::iter::from_fn(|| ready(&mut late)).map(|delivery| match delivery {
        Delivery::Publication(publication) => publication.position.offset,
        Delivery::Gap(gap) => panic!("{gap:?}"),
    });
    (hub, first, rest.collect())
}

#[tokio::test(start_paused = true)]
async fn publish_60_expire_publish_60_recover_from_57() {
    let (_hub, first, rest) = recover_from_57_after(Duration::from_secs(310)).await;
    let Delivery::Gap(gap) = first else {
        panic!("silence about the three that were lost");
    };
    assert_eq!((gap.from, gap.to.offset), (Some(58), 60));
    assert_eq!(rest, Vec::from_iter(61..=120));
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_with_a_forgotten_log_is_a_gap_that_cannot_be_counted() {
    let (_hub, first, rest) = recover_from_57_after(Duration::from_secs(620)).await;
    let Delivery::Gap(gap) = first else {
        panic!("silence about the three that were lost");
    };
    assert_eq!((gap.from, gap.to.offset), (None, 60));
    assert_eq!(rest, Vec::from_iter(61..=120));
}

#[tokio::test(start_paused = true)]
async fn a_channel_nobody_uses_costs_nothing_once_it_expired() {
    let hub = Hub::default();
    for name in 0..100 {
        let channel = hub.channel(name.to_string()).unwrap();
        publish(&channel, 3).await;
        drop(channel.subscribe().await.unwrap());
    }
    let kept = hub.channel("kept").unwrap().subscribe().await.unwrap();
    assert_eq!(hub.stats().channels, 101);
    tokio::time::sleep(Duration::from_secs(302)).await;
    assert_eq!(hub.stats().memory, 0);
    tokio::time::sleep(Duration::from_secs(302)).await;
    assert_eq!(hub.stats().channels, 1);
    drop(kept);
    tokio::time::sleep(Duration::from_secs(302)).await;
    assert_eq!(hub.stats().channels, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_listener_of_a_quiet_channel_comes_back_to_no_gap() {
    let hub = Hub::default();
    let (busy, quiet) = (hub.channel("busy").unwrap(), hub.channel("quiet").unwrap());
    publish(&quiet, 1).await;
    let listener = quiet.subscribe().await.unwrap();
    tokio::time::sleep(Duration::from_secs(400)).await;
    let seen = listener.position();
    drop(listener);
    publish(&busy, 50).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    let mut back = quiet.subscribe_since(seen).await.unwrap();
    assert_eq!(ready(&mut back), None);
    publish(&quiet, 1).await;
    assert!(matches!(ready(&mut back), Some(Delivery::Publication(_))));
}

#[tokio::test(start_paused = true)]
async fn no_position_is_used_twice() {
    let hub = Hub::default();
    let (busy, quiet) = (hub.channel("busy").unwrap(), hub.channel("quiet").unwrap());
    let first = quiet.publish("x").await.unwrap();
    publish(&busy, 50).await;
    tokio::time::sleep(Duration::from_secs(620)).await;
    assert_eq!(hub.stats().channels, 0);
    let second = quiet.publish("x").await.unwrap();
    assert!(
        second.epoch != first.epoch || second.offset > 50,
        "{second}"
    );
}

#[tokio::test]
async fn a_slow_subscriber_holds_nobody_up_and_is_told_what_it_lost() {
    let hub = Hub::new(HubConfig::default().history(10, Duration::from_secs(60)));
    let news = hub.channel("news").unwrap();
    let mut slow = news.subscribe().await.unwrap();
    let large = "x".repeat(100_000);
    for _ in 0..100 {
        news.publish(large.as_str()).await.unwrap();
    }
    let Some(Delivery::Gap(gap)) = slow.next().await else {
        panic!("no gap");
    };
    assert_eq!((gap.from, gap.to.offset), (Some(1), 90));
    assert_eq!(slow.position(), gap.to);
    assert_eq!(slow.count_ready(), 10);
    assert_eq!(hub.stats().gaps, 1);
}

trait CountReady {
    fn count_ready(&mut self) -> usize;
}

impl CountReady for Subscription {
    fn count_ready(&mut self) -> usize {
        std::iter::from_fn(|| ready(self)).count()
    }
}

#[tokio::test]
async fn the_memory_limit_holds_for_all_channels_together_oldest_first() {
    let limit = 1 << 20;
    let hub = Hub::new(HubConfig::default().memory_limit(limit));
    let old = hub.channel("old").unwrap();
    publish(&old, 50).await;
    for name in 0..50 {
        let channel = hub.channel(name.to_string()).unwrap();
        for _ in 0..10 {
            channel.publish("x".repeat(10_000)).await.unwrap();
            assert!(hub.stats().memory <= limit, "{:?}", hub.stats());
        }
    }
    assert!(hub.stats().trimmed > 400, "{:?}", hub.stats());
    assert_eq!(old.subscribe_recent(100).await.unwrap().count_ready(), 0);
    let newest = hub.channel("49").unwrap();
    assert_eq!(
        newest.subscribe_recent(100).await.unwrap().count_ready(),
        10
    );
}

#[tokio::test]
async fn a_subscription_ends_with_the_hub_after_what_was_published() {
    let hub = Hub::default();
    let news = hub.channel("news").unwrap();
    let subscription = news.subscribe().await.unwrap();
    publish(&news, 2).await;
    hub.shutdown();
    assert_eq!(subscription.count().await, 2);
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken() {
    let hub = Hub::default();
    let news = hub.channel("news").unwrap();
    let mut subscription = news.subscribe().await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next().await });
    tokio::task::yield_now().await;
    let position = news.publish("kiki").await.unwrap();
    let Some(Delivery::Publication(publication)) = waiting.await.unwrap() else {
        panic!("no publication");
    };
    assert_eq!(publication.position, position);
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    PublishLarge,
    Read(usize),
    Wait(u64),
    /// Another channel takes the memory.
    Crowd,
    Drop,
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..40_usize).prop_map(Step::Publish),
        2 => Just(Step::PublishLarge),
        6 => (1..60_usize).prop_map(Step::Read),
        3 => (1..400_u64).prop_map(Step::Wait),
        1 => Just(Step::Crowd),
        1 => Just(Step::Drop),
        2 => Just(Step::Recover),
    ]
}

/// A client: what it saw last, and its subscription while it is connected.
struct Client {
    seen: Position,
    subscription: Option<Subscription>,
}

impl Client {
    /// Reads one delivery and holds it against the rule.
    fn read(&mut self) -> bool {
        let Some(delivery) = self.subscription.as_mut().and_then(ready) else {
            return false;
        };
        match delivery {
            Delivery::Publication(publication) => {
                assert_eq!(publication.position.offset, self.seen.offset + 1);
                self.seen = publication.position;
            }
            Delivery::Gap(gap) => {
                // Uncounted where the log was forgotten in between.
                assert!(gap.from.is_none_or(|from| from == self.seen.offset + 1));
                assert!(gap.to.offset > self.seen.offset);
                self.seen = gap.to;
            }
        }
        true
    }
}

/// Data whose memory is somebody's, who publishes when it is given back.
struct Owner(ChannelHandle);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        b"x"
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let published = self.0.publish("given back").into_future().now_or_never();
        assert!(published.is_some());
    }
}

#[tokio::test]
async fn the_owner_of_published_memory_may_publish_when_it_is_given_back() {
    let hub = Hub::new(
        HubConfig::default()
            .history(0, Duration::ZERO)
            .live_window(0, Duration::ZERO),
    );
    let news = hub.channel("news").unwrap();
    let mut subscription = news.subscribe().await.unwrap();
    news.publish(bytes::Bytes::from_owner(Owner(news.clone())))
        .await
        .unwrap();
    assert!(matches!(ready(&mut subscription), Some(Delivery::Gap(_))));
    assert!(hub.stats().published >= 2);
}

#[test]
fn a_hub_outlives_the_runtime_it_was_used_in() {
    let hub = Hub::default();
    let run = |seconds| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let news = hub.channel("news").unwrap();
            publish(&news, 1).await;
            drop(
                hub.channel(format!("after {seconds}"))
                    .unwrap()
                    .subscribe()
                    .await
                    .unwrap(),
            );
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            hub.stats().channels
        })
    };
    assert_eq!(run(1), 2);
    assert_eq!(run(620), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The rule: every offset once and in order, or a gap that covers it.
    #[test]
    fn every_offset_once_and_in_order_or_a_gap(
        history in 0..20_usize,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let config = HubConfig::default()
                .history(history, Duration::from_secs(300))
                .memory_limit(4 << 20);
            let hub = Hub::new(config);
            let news = hub.channel("news").unwrap();
            let crowd = hub.channel("crowd").unwrap();
            let subscription = news.subscribe().await.unwrap();
            let mut client = Client { seen: subscription.position(), subscription: Some(subscription) };
            let mut newest = client.seen.offset;
            for step in steps {
                match step {
                    Step::Publish(count) => newest = publish(&news, count).await,
                    Step::PublishLarge => {
                        newest = news.publish("x".repeat(700_000)).await.unwrap().offset;
                    }
                    Step::Crowd => for _ in 0..5 {
                        crowd.publish("x".repeat(900_000)).await.unwrap();
                    }
                    Step::Wait(seconds) => {
                        advance(Duration::from_secs(seconds)).await;
                        tokio::task::yield_now().await;
                    }
                    Step::Drop => client.subscription = None,
                    Step::Recover => client.subscription = Some(news.subscribe_since(client.seen).await.unwrap()),
                    Step::Read(count) => for _ in 0..count {
                        if !client.read() { break }
                    }
                }
            }
            client.subscription = Some(news.subscribe_since(client.seen).await.unwrap());
            while client.read() {}
            assert!(client.seen.offset >= newest, "silence about {} to {newest}", client.seen.offset + 1);
        });
    }
}
