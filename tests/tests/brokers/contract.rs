//! What an application may rely on, whichever broker is behind its hubs.

use crate::{
    backend::Backend,
    reader::{PATIENCE, Reader, publish_all},
};
use encke::{Data, Hub, HubConfig, Position};
use std::time::Duration;
use tokio::{task::JoinSet, time::timeout};

/// Two nodes.
async fn two(backend: &impl Backend, config: HubConfig) -> (Hub, Hub) {
    (
        backend.node(config.clone()).await,
        backend.node(config).await,
    )
}

fn numbers(count: usize) -> Vec<String> {
    (1..=count).map(|number| number.to_string()).collect()
}

pub(crate) async fn a_publication_reaches_every_node_in_order_and_once(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let mut near = Reader::at_head(&here).await;
    let mut far = Reader::at_head(&there).await;
    let last = publish_all(&here, numbers(50)).await;
    assert_eq!(near.texts(50).await, numbers(50));
    assert_eq!(far.texts(50).await, numbers(50));
    assert_eq!((near.position(), far.position()), (last, last));
    there.publish("back").await.unwrap();
    assert_eq!(near.text().await, "back");
}

pub(crate) async fn all_nodes_see_one_order_of_concurrent_publishers(backend: &impl Backend) {
    const EACH: usize = 40;
    let (a, b) = two(backend, HubConfig::default().history(1_000, PATIENCE)).await;
    let mut near = Reader::at_head(&a.channel("news").unwrap()).await;
    let mut far = Reader::at_head(&b.channel("news").unwrap()).await;
    let start = near.position().offset;
    let mut publishers = JoinSet::new();
    for publisher in 0..8 {
        let hub = if publisher % 2 == 0 { &a } else { &b };
        let news = hub.channel("news").unwrap();
        publishers.spawn(async move {
            let mut positions = Vec::new();
            for number in 0..EACH {
                let text = format!("{publisher}:{number}");
                let position = news.publish(text.clone()).await.unwrap();
                positions.push((position.offset, text));
            }
            positions
        });
    }
    let mut published: Vec<_> = publishers.join_all().await.concat();
    published.sort();
    let offsets: Vec<_> = published.iter().map(|(offset, _)| *offset).collect();
    let expected: Vec<_> = (start + 1..=start + 8 * EACH as u64).collect();
    assert_eq!(offsets, expected, "no offset twice, and none left out");
    let texts: Vec<_> = published.into_iter().map(|(_, text)| text).collect();
    assert_eq!(near.texts(8 * EACH).await, texts);
    assert_eq!(far.texts(8 * EACH).await, texts);
}

pub(crate) async fn what_is_published_arrives_as_it_was(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let mut far = Reader::at_head(&b.channel("news").unwrap()).await;
    let all = [
        Data::from(""),
        Data::from("two\nlines\0and a zero"),
        Data::from(" \u{2028}ü</script>"),
        Data::json(&serde_json::json!({"a": [1, null, "x"]})).unwrap(),
        Data::from(vec![0, 0xff, b':', b'\r', b'\n']),
        Data::from(Vec::new()),
    ];
    for data in &all {
        a.channel("news")
            .unwrap()
            .publish(data.clone())
            .await
            .unwrap();
    }
    for data in all {
        assert_eq!(far.data().await, data);
    }
}

pub(crate) async fn a_channel_may_have_any_name(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let long = "ü".repeat(127);
    let names = [
        "{", "}", "{}", "}{", "a{b}c", "*", ">", "a.*", ".", "a..b", "a b", " ", "ü", "日本",
        "a/b", "50%7D", "[a]?", "\"", "\\", "a:b", "$x", "_", &long,
    ];
    let mut readers = Vec::new();
    for name in names {
        readers.push(Reader::at_head(&b.channel(name).unwrap()).await);
    }
    for name in names {
        a.channel(name).unwrap().publish(name).await.unwrap();
    }
    for (name, reader) in names.iter().zip(&mut readers) {
        assert_eq!(reader.text().await, *name);
        assert_eq!(reader.position().offset, 1, "{name} has a log of its own");
    }
}

pub(crate) async fn a_client_continues_on_another_node(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let mut client = Reader::at_head(&here).await;
    publish_all(&here, ["1", "2", "3"]).await;
    assert_eq!(client.texts(2).await, ["1", "2"]);
    let seen = client.position();
    drop(client);
    publish_all(&here, ["4"]).await;
    let mut client = Reader::since(&there, seen).await;
    publish_all(&here, ["5"]).await;
    assert_eq!(client.texts(3).await, ["3", "4", "5"]);
    let mut newcomer = Reader::over(there.subscribe_recent(2).await.unwrap());
    assert_eq!(newcomer.texts(2).await, ["4", "5"]);
}

pub(crate) async fn a_client_that_knows_more_than_its_node_is_told_of_no_gap(
    backend: &impl Backend,
) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let _kept = Reader::at_head(&there).await;
    for round in 0..50 {
        let seen = here.publish(format!("{round}")).await.unwrap();
        let mut client = Reader::since(&there, seen).await;
        here.publish("next").await.unwrap();
        assert_eq!(client.text().await, "next");
    }
}

pub(crate) async fn only_what_history_does_not_have_is_a_gap(backend: &impl Backend) {
    let config = HubConfig::default()
        .history(10, PATIENCE)
        .live_window(0, Duration::ZERO);
    let (a, b) = two(backend, config).await;
    let news = a.channel("news").unwrap();
    let first = publish_all(&news, ["1"]).await;
    let last = publish_all(&news, (2..=30).map(|number| number.to_string())).await;
    let mut late = Reader::since(&b.channel("news").unwrap(), first).await;
    let gap = late.gap().await;
    assert_eq!((gap.from, gap.to), (Some(2), Position::new(last.epoch, 20)));
    let expected: Vec<_> = (21..=30).map(|number| number.to_string()).collect();
    assert_eq!(late.texts(10).await, expected);
}

pub(crate) async fn history_ends_with_its_age_and_positions_go_on(backend: &impl Backend) {
    let age = Duration::from_millis(300);
    let config = HubConfig::default().history(10, age).live_window(0, age);
    let (a, b) = two(backend, config).await;
    let news = a.channel("news").unwrap();
    let first = publish_all(&news, ["1"]).await;
    let third = publish_all(&news, ["2", "3"]).await;
    // By whichever clock the broker goes.
    tokio::time::sleep(2 * age).await;
    let mut late = Reader::since(&b.channel("news").unwrap(), first).await;
    let gap = late.gap().await;
    assert_eq!((gap.from, gap.to), (Some(2), third));
    let fourth = publish_all(&news, ["4"]).await;
    assert_eq!(fourth, Position::new(third.epoch, 4));
    assert_eq!(late.text().await, "4");
}

pub(crate) async fn an_unknown_position_is_a_gap_that_cannot_be_counted(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let second = publish_all(&here, ["1", "2"]).await;
    let nowhere: Position = "00000000deadbeef:7".parse().unwrap();
    let future = Position::new(second.epoch, 99);
    for unknown in [nowhere, future, Position::UNKNOWN] {
        let mut client = Reader::since(&there, unknown).await;
        let gap = client.gap().await;
        assert_eq!((gap.from, gap.to), (None, Position::new(second.epoch, 0)));
        assert_eq!(client.texts(2).await, ["1", "2"]);
    }
}

pub(crate) async fn a_burst_reaches_who_keeps_up_without_a_gap_even_without_history(
    backend: &impl Backend,
) {
    let (a, b) = two(backend, HubConfig::default().history(0, Duration::ZERO)).await;
    let mut far = Reader::at_head(&b.channel("news").unwrap()).await;
    let news = a.channel("news").unwrap();
    let mut publishing = JoinSet::new();
    for number in 0..1_000 {
        let news = news.clone();
        publishing.spawn(async move { news.publish(number.to_string()).await.unwrap() });
    }
    far.texts(1_000).await;
    publishing.join_all().await;
}

pub(crate) async fn large_publications_arrive_whole(backend: &impl Backend) {
    let (a, b) = two(backend, HubConfig::default()).await;
    let mut far = Reader::at_head(&b.channel("news").unwrap()).await;
    // NATS takes a MiB with the headers in it, unless told otherwise.
    for size in [1 << 10, 100 << 10, (1 << 20) - 1_024] {
        let large = "x".repeat(size);
        a.channel("news")
            .unwrap()
            .publish(large.clone())
            .await
            .unwrap();
        assert!(far.text().await == large, "{size} bytes");
    }
}

pub(crate) async fn a_key_stands_for_one_publication_on_all_nodes(backend: &impl Backend) {
    let window = Duration::from_millis(1_500);
    let (a, b) = two(backend, HubConfig::default().idempotency_window(window)).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let mut far = Reader::at_head(&there).await;
    let first = here.publish("1").idempotency_key("k").await.unwrap();
    let again = there.publish("1").idempotency_key("k").await.unwrap();
    assert_eq!(first, again);
    let at_once = (0..8).map(|node| {
        let news = if node % 2 == 0 { &here } else { &there };
        async move { news.publish("2").idempotency_key("k{2} ü").await.unwrap() }
    });
    let positions = futures_util::future::join_all(at_once).await;
    assert!(
        positions.iter().all(|position| *position == positions[0]),
        "{positions:?}"
    );
    let other = a.channel("other").unwrap();
    let elsewhere = other.publish("x").idempotency_key("k").await.unwrap();
    assert_eq!(elsewhere.offset, 1, "a key is its channel's");
    there.publish("3").await.unwrap();
    assert_eq!(far.texts(3).await, ["1", "2", "3"]);
    tokio::time::sleep(2 * window).await;
    let later = there.publish("4").idempotency_key("k").await.unwrap();
    assert_eq!(later.offset, 4);
}

pub(crate) async fn listeners_are_counted_on_all_nodes(backend: &impl Backend) {
    let config = HubConfig::default().check_period(Duration::from_millis(200));
    let (a, b) = two(backend, config).await;
    let (here, there) = (a.channel("news").unwrap(), b.channel("news").unwrap());
    let kept = [Reader::at_head(&here).await, Reader::at_head(&there).await];
    let more = [Reader::at_head(&there).await, Reader::at_head(&there).await];
    let last = publish_all(&here, ["1", "2"]).await;
    let counted = |expected| {
        let here = &here;
        async move {
            loop {
                let stats = here.stats().await.unwrap();
                assert_eq!(stats.position, last);
                if stats.listeners == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    timeout(PATIENCE, counted(4)).await.expect("four listen");
    drop(more);
    timeout(PATIENCE, counted(2)).await.expect("two have left");
    let own = Reader::at_head(&here).await;
    let counted_at_once = here.stats().await.unwrap().listeners;
    assert_eq!(counted_at_once, 3, "one's own are counted at once");
    drop(own);
    drop((kept, b, there));
    timeout(PATIENCE, counted(0)).await.expect("nobody listens");
}

pub(crate) async fn whoever_wants_to_wait_and_keep_for_ever_may(backend: &impl Backend) {
    let config = HubConfig::default()
        .history(10, Duration::MAX)
        .live_window(1 << 20, Duration::MAX)
        .idempotency_window(Duration::MAX)
        .broker_patience(Duration::MAX)
        .check_period(Duration::MAX);
    let hub = backend.node(config).await;
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    let first = news.publish("kiki").idempotency_key("k").await.unwrap();
    assert_eq!(reader.text().await, "kiki");
    let again = news.publish("kiki").idempotency_key("k").await.unwrap();
    assert_eq!(first, again);
}
