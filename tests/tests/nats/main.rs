//! Hubs over a NATS server, and what they see when it fails.

mod server;

use encke::{ChannelHandle, Data, Delivery, Hub, HubConfig, Position, PublishError, Subscription};
use futures_util::StreamExt;
use server::Server;
use std::{collections::BTreeSet, fs, process::Command, time::Duration};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

/// Quick to notice, for tests.
fn config() -> HubConfig {
    HubConfig::default()
        .check_period(Duration::from_millis(500))
        .broker_patience(Duration::from_secs(20))
}

async fn hub(server: &Server) -> Hub {
    hub_with(&server.url(), config()).await
}

async fn hub_with(url: &str, config: HubConfig) -> Hub {
    Hub::connect_with(url, config).await.expect("a hub")
}

async fn error_of(url: &str) -> String {
    let error = Hub::connect_with(url, config()).await.expect_err("no hub");
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

async fn next(subscription: &mut Subscription) -> Delivery {
    let next = timeout(PATIENCE, subscription.next()).await;
    next.expect("something is delivered").expect("no end")
}

async fn next_text(subscription: &mut Subscription) -> (Position, String) {
    match next(subscription).await {
        Delivery::Publication(publication) => match publication.data {
            Data::Text(text) => (publication.position, text.to_string()),
            other => panic!("{other:?}"),
        },
        Delivery::Gap(gap) => panic!("{gap:?}"),
    }
}

async fn next_texts(subscription: &mut Subscription, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(next_text(subscription).await.1);
    }
    texts
}

async fn publish_all(channel: &ChannelHandle, texts: impl IntoIterator<Item = usize>) {
    for text in texts {
        channel.publish(text.to_string()).await.expect("published");
    }
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect()
}

/// Polls until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn what_one_hub_publishes_reaches_the_other() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let mut here = one.channel("news").unwrap().subscribe().await.unwrap();
    let mut there = two.channel("news").unwrap().subscribe().await.unwrap();
    let position = one.channel("news").unwrap().publish("kiki").await.unwrap();
    assert_eq!(next_text(&mut here).await, (position, "kiki".into()));
    assert_eq!(next_text(&mut there).await, (position, "kiki".into()));
    let answer = two.channel("news").unwrap().publish("bouba").await.unwrap();
    assert_eq!(answer.offset, position.offset + 1);
    assert_eq!(answer.epoch, position.epoch);
    assert_eq!(next_text(&mut here).await, (answer, "bouba".into()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn who_comes_back_to_another_hub_gets_what_it_missed() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let news = one.channel("news").unwrap();
    publish_all(&news, 0..3).await;
    let position = news.publish("3").await.unwrap();
    publish_all(&news, 4..500).await;
    let there = two.channel("news").unwrap();
    let mut missed = there.subscribe_since(position).await.unwrap();
    assert_eq!(next_texts(&mut missed, 496).await, numbers(4..500));
    let mut recent = there.subscribe_recent(100).await.unwrap();
    assert_eq!(next_texts(&mut recent, 100).await, numbers(400..500));
    let stands = recent.position();
    drop((missed, recent));
    for count in [1, 2, 5, 50] {
        let three = hub(&server).await;
        let later = three.channel("news").unwrap();
        let behind = Position::new(stands.epoch, stands.offset - count as u64);
        let mut rest = later.subscribe_since(behind).await.unwrap();
        assert_eq!(
            next_texts(&mut rest, count).await,
            numbers(500 - count..500)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn eight_publishers_over_two_hubs_leave_no_hole_and_repeat_nothing() {
    const EACH: usize = 100;
    let server = Server::start();
    let hubs = [hub(&server).await, hub(&server).await];
    let mut reader = hubs[0].channel("busy").unwrap().subscribe().await.unwrap();
    let publishers = (0..8).map(|number| {
        let channel = hubs[number % 2].channel("busy").unwrap();
        tokio::spawn(async move {
            let mut offsets = Vec::new();
            for text in 0..EACH {
                let text = format!("{number}-{text}");
                offsets.push(channel.publish(text).await.expect("published").offset);
            }
            offsets
        })
    });
    let mut offsets = BTreeSet::new();
    for publisher in publishers.collect::<Vec<_>>() {
        offsets.extend(publisher.await.unwrap());
    }
    let all = 1..=8 * EACH as u64;
    assert_eq!(
        offsets.into_iter().collect::<Vec<_>>(),
        all.clone().collect::<Vec<_>>()
    );
    let mut texts = BTreeSet::new();
    for offset in all {
        let (position, text) = next_text(&mut reader).await;
        assert_eq!(position.offset, offset);
        assert!(texts.insert(text));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn every_name_is_a_channel_of_its_own() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let long = "ü".repeat(127);
    let names = [
        "{a}",
        "{",
        "}",
        "*",
        ">",
        "a.*",
        "a.>",
        "a.b",
        "a b",
        "kühl 🐟",
        "$JS.API.INFO",
        &long,
    ];
    let mut readers = Vec::new();
    for name in names {
        readers.push(two.channel(name).unwrap().subscribe().await.unwrap());
    }
    for name in names {
        one.channel(name).unwrap().publish(name).await.unwrap();
    }
    for (name, reader) in names.iter().zip(&mut readers) {
        let (position, text) = next_text(reader).await;
        assert_eq!((position.offset, &*text), (1, *name));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_position_outlives_its_publication() {
    let server = Server::start();
    let short = config()
        .history(10, Duration::from_millis(500))
        .live_window(1 << 20, Duration::from_millis(500));
    let one = hub_with(&server.url(), short.clone()).await;
    let old = one.channel("news").unwrap();
    publish_all(&old, 0..5).await;
    let position = old.publish("5").await.unwrap();
    until("history expires", || async {
        let fresh = hub_with(&server.url(), short.clone()).await;
        let fresh = fresh.channel("news").unwrap();
        let mut all = fresh.subscribe_recent(10).await.unwrap();
        timeout(Duration::from_millis(100), all.next())
            .await
            .is_err()
    })
    .await;
    let two = hub_with(&server.url(), short).await;
    let news = two.channel("news").unwrap();
    assert_eq!(news.stats().await.unwrap().position, position);
    let mut since = news.subscribe_since(position).await.unwrap();
    let next = news.publish("6").await.unwrap();
    assert_eq!(next, Position::new(position.epoch, position.offset + 1));
    assert_eq!(next_text(&mut since).await.1, "6");
    let behind = Position::new(position.epoch, 1);
    let mut long_ago = news.subscribe_since(behind).await.unwrap();
    let Delivery::Gap(gap) = self::next(&mut long_ago).await else {
        panic!("no gap");
    };
    assert_eq!((gap.from, gap.to), (Some(2), position));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_quiet_channel_with_listeners_keeps_its_position() {
    let server = Server::start();
    let short = config()
        .history(10, Duration::from_secs(1))
        .live_window(1 << 20, Duration::from_secs(1))
        .idempotency_window(Duration::from_secs(1));
    let url = format!("{}?head_age=4", server.url());
    let one = hub_with(&url, short).await;
    let news = one.channel("news").unwrap();
    let mut reader = news.subscribe().await.unwrap();
    let position = news.publish("kiki").await.unwrap();
    assert_eq!(next_text(&mut reader).await.1, "kiki");
    // Twice as long as the server keeps a message.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let later = news.publish("bouba").await.unwrap();
    assert_eq!(later, Position::new(position.epoch, position.offset + 1));
    assert_eq!(next_text(&mut reader).await.1, "bouba");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_key_publishes_once_on_whichever_hub() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let here = one.channel("orders").unwrap();
    let there = two.channel("orders").unwrap();
    let key = "ключ\n17";
    let first = here.publish("a").idempotency_key(key).await.unwrap();
    publish_all(&there, 0..3).await;
    let again = there.publish("b").idempotency_key(key).await.unwrap();
    assert_eq!(first, again);
    let other = one.channel("other").unwrap();
    let elsewhere = other.publish("c").idempotency_key(key).await.unwrap();
    assert_ne!(elsewhere.epoch, first.epoch);
    assert_eq!(here.publish("d").await.unwrap().offset, 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_server_that_comes_back_with_its_data_has_lost_nothing() {
    let mut server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let news = one.channel("news").unwrap();
    let mut reader = two.channel("news").unwrap().subscribe().await.unwrap();
    publish_all(&news, 0..5).await;
    assert_eq!(next_texts(&mut reader, 3).await, numbers(0..3));
    let position = reader.position();
    server.kill();
    until("the hub says it is not ready", || async { !one.is_ready() }).await;
    let impatient = error_of(&server.url()).await;
    assert!(impatient.contains("cannot reach"), "{impatient}");
    server.start_again();
    publish_all(&news, 5..8).await;
    assert_eq!(next_texts(&mut reader, 5).await, numbers(3..8));
    let mut recovered = one
        .channel("news")
        .unwrap()
        .subscribe_since(position)
        .await
        .unwrap();
    assert_eq!(next_texts(&mut recovered, 5).await, numbers(3..8));
    until("both are ready", || async {
        one.is_ready() && two.is_ready()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_server_that_comes_back_without_its_data_begins_another_epoch() {
    let mut server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let news = one.channel("news").unwrap();
    let mut reader = two.channel("news").unwrap().subscribe().await.unwrap();
    let before = news.publish("kiki").await.unwrap();
    assert_eq!(next_text(&mut reader).await.1, "kiki");
    server.kill();
    server.forget_data();
    server.start_again();
    let after = news.publish("bouba").await.unwrap();
    assert_ne!(after.epoch, before.epoch);
    let Delivery::Gap(gap) = next(&mut reader).await else {
        panic!("no gap");
    };
    assert_eq!(gap.from, None);
    if gap.to != after {
        assert_eq!(next_text(&mut reader).await, (after, "bouba".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_server_that_lost_its_newest_messages_uses_no_position_twice() {
    let mut server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let news = one.channel("news").unwrap();
    let mut saw_all = two.channel("news").unwrap().subscribe().await.unwrap();
    publish_all(&news, 0..5).await;
    assert_eq!(next_texts(&mut saw_all, 5).await, numbers(0..5));
    let kept = saw_all.position();
    // As a power cut leaves it: what the disk had at some moment.
    server.signal("-STOP");
    let copy = server.directory().with_extension("copy");
    let copied = Command::new("cp")
        .arg("-r")
        .args([server.directory(), &copy])
        .status();
    assert!(copied.unwrap().success());
    server.signal("-CONT");
    publish_all(&news, 5..8).await;
    assert_eq!(next_texts(&mut saw_all, 3).await, numbers(5..8));
    let lost = saw_all.position();
    server.kill();
    server.forget_data();
    fs::rename(&copy, server.directory()).unwrap();
    server.start_again();
    // A hub that knows nothing of what was lost.
    let three = hub(&server).await;
    let after = three.channel("news").unwrap().publish("8").await.unwrap();
    assert_ne!(after.epoch, kept.epoch);
    assert_eq!(after.offset, 6);
    let Delivery::Gap(gap) = next(&mut saw_all).await else {
        panic!("no gap");
    };
    assert_eq!((gap.from, gap.to.epoch), (None, after.epoch));
    if gap.to != after {
        assert_eq!(next_text(&mut saw_all).await, (after, "8".into()));
    }
    // Who saw no more than is kept has missed nothing; who saw more is told.
    let there = three.channel("news").unwrap();
    let mut continues = there.subscribe_since(kept).await.unwrap();
    assert_eq!(next_text(&mut continues).await, (after, "8".into()));
    let mut is_told = there.subscribe_since(lost).await.unwrap();
    assert!(matches!(next(&mut is_told).await, Delivery::Gap(gap) if gap.from.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_server_that_hangs_is_noticed_and_comes_back() {
    let server = Server::start();
    let eager = config().broker_patience(Duration::ZERO);
    let one = hub_with(&server.url(), eager).await;
    let news = one.channel("news").unwrap();
    let mut reader = news.subscribe().await.unwrap();
    publish_all(&news, [0]).await;
    server.signal("-STOP");
    let begun = Instant::now();
    let error = news.publish("1").await.unwrap_err();
    assert!(matches!(error, PublishError::Unanswered(_)), "{error}");
    until("the hub says it is not ready", || async { !one.is_ready() }).await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    let begun = Instant::now();
    let error = news.publish("2").await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.signal("-CONT");
    until("the hub is ready again", || async { one.is_ready() }).await;
    publish_all(&news, [3]).await;
    let mut texts = vec![next_text(&mut reader).await.1];
    while texts.last().unwrap() != "3" {
        texts.push(next_text(&mut reader).await.1);
    }
    texts.retain(|text| text != "1");
    assert_eq!(texts, ["0", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn listeners_are_counted_on_all_hubs_and_those_of_a_dead_one_expire() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let here = one.channel("news").unwrap();
    let there = two.channel("news").unwrap();
    let empty = here.stats().await.unwrap();
    assert_eq!((empty.listeners, empty.position), (0, Position::UNKNOWN));
    let _one = here.subscribe().await.unwrap();
    let _two = there.subscribe().await.unwrap();
    let three = there.subscribe().await.unwrap();
    let count = || async { here.stats().await.unwrap().listeners };
    until("three are counted", || async { count().await == 3 }).await;
    drop(three);
    until("two are counted", || async { count().await == 2 }).await;
    let begun = Instant::now();
    drop((two, there, _two));
    until("one is counted", || async { count().await == 1 }).await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn messages_of_others_are_passed_over() {
    let server = Server::start();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let news = one.channel("news").unwrap();
    let mut reader = two.channel("news").unwrap().subscribe().await.unwrap();
    let position = news.publish("0").await.unwrap();
    // To "news" and "other", in base64url.
    for subject in ["ENCKE.p.bmV3cw", "ENCKE.p.b3RoZXI"] {
        server.publish(subject, "no headers");
    }
    publish_all(&news, 1..4).await;
    assert_eq!(next_texts(&mut reader, 4).await, numbers(0..4));
    let three = hub(&server).await;
    let there = three.channel("news").unwrap();
    let mut missed = there.subscribe_since(position).await.unwrap();
    assert_eq!(next_texts(&mut missed, 3).await, numbers(1..4));
    let other = three.channel("other").unwrap();
    let mut reader = other.subscribe().await.unwrap();
    publish_all(&other, 0..2).await;
    assert_eq!(next_texts(&mut reader, 2).await, numbers(0..2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs nats-server: cargo xtask test"]
async fn what_cannot_be_used_is_named_in_one_line() {
    let plain = Server::with(&[]);
    let error = error_of(&plain.url()).await;
    assert!(error.contains("JetStream"), "{error}");
    let secret = Server::with(&["-js", "--user", "u", "--pass", "right"]);
    let url = format!("nats://u:wrong@127.0.0.1:{}", secret.port());
    let error = error_of(&url).await;
    assert!(
        error.contains("lets nobody in") && !error.contains("wrong"),
        "{error}"
    );
    let url = format!("nats://u:right@127.0.0.1:{}", secret.port());
    assert!(hub_with(&url, config()).await.is_ready());
    let error = error_of("nats://127.0.0.1:1").await;
    assert!(error.contains("cannot reach"), "{error}");
    let good = Server::start();
    drop(hub(&good).await);
    let memory = format!("{}?storage=memory", good.url());
    let error = error_of(&memory).await;
    assert!(error.contains("storage"), "{error}");
    let error = error_of("nats://h?colour=red").await;
    assert!(error.contains("colour"), "{error}");
}
