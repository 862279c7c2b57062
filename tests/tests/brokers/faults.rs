//! What a subscriber sees when an engine, or the way to it, breaks.

use crate::{
    backend::Engine,
    reader::{PATIENCE, Reader, publish_all},
};
use encke::{Delivery, Hub, HubConfig, PublishError};
use futures_util::{StreamExt, stream};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How a node says whether it can be used, and comes to say so.
async fn is_ready(hub: &Hub, ready: bool) {
    let told = async {
        while hub.is_ready() != ready {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let told = timeout(PATIENCE, told).await;
    told.unwrap_or_else(|_| panic!("ready is not {ready}"));
}

fn patient() -> HubConfig {
    HubConfig::default().broker_patience(PATIENCE)
}

fn impatient() -> HubConfig {
    HubConfig::default().broker_patience(Duration::ZERO)
}

pub(crate) async fn an_engine_that_comes_back_with_its_data_costs_nobody_anything(
    engine: &mut impl Engine,
) {
    let (a, b) = (engine.node(patient()).await, engine.node(patient()).await);
    let news = a.channel("news").unwrap();
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    let seen = publish_all(&news, ["1", "2"]).await;
    assert_eq!(reader.texts(2).await, ["1", "2"]);
    publish_all(&news, ["3"]).await;
    engine.kill().await;
    is_ready(&b, false).await;
    let waiting = news.publish("4").idempotency_key("4").into_future();
    let waiting = tokio::spawn(waiting);
    engine.restart().await;
    let fourth = waiting.await.unwrap().unwrap();
    assert_eq!(fourth.offset, seen.offset + 2);
    assert_eq!(reader.texts(2).await, ["3", "4"]);
    let mut late = Reader::since(&b.channel("news").unwrap(), seen).await;
    assert_eq!(late.texts(2).await, ["3", "4"]);
    is_ready(&a, true).await;
    is_ready(&b, true).await;
}

pub(crate) async fn an_engine_that_lost_its_data_is_a_gap_that_cannot_be_counted(
    engine: &mut impl Engine,
) {
    let (a, b) = (engine.node(patient()).await, engine.node(patient()).await);
    let news = a.channel("news").unwrap();
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    let before = publish_all(&news, ["1", "2", "3"]).await;
    assert_eq!(reader.texts(3).await, ["1", "2", "3"]);
    engine.kill().await;
    is_ready(&b, false).await;
    engine.restart_without_data().await;
    is_ready(&b, true).await;
    // Told of it although nothing is published, and before the next check.
    let gap = timeout(Duration::from_secs(5), reader.gap());
    let gap = gap.await.expect("a gap at once");
    assert_eq!(gap.from, None);
    assert_ne!(gap.to.epoch, before.epoch, "no position is used twice");
    let after = publish_all(&news, ["4"]).await;
    assert_eq!(after.epoch, gap.to.epoch);
    assert_eq!(reader.text().await, "4");
    let mut late = Reader::since(&b.channel("news").unwrap(), before).await;
    assert_eq!(late.gap().await.from, None);
    assert_eq!(late.text().await, "4");
}

pub(crate) async fn an_engine_that_lost_the_newest_gives_all_that_it_has_still(
    engine: &mut impl Engine,
) {
    // So that on a node the newest push out all others.
    let config = patient()
        .history(3, Duration::from_secs(60))
        .live_window(0, Duration::ZERO);
    let hub = engine.node(config).await;
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    let first = publish_all(&news, ["1"]).await;
    publish_all(&news, ["2", "3"]).await;
    assert_eq!(reader.texts(3).await, ["1", "2", "3"]);
    engine.remember();
    publish_all(&news, ["4", "5", "6"]).await;
    assert_eq!(reader.texts(3).await, ["4", "5", "6"]);
    engine.kill().await;
    is_ready(&hub, false).await;
    engine.restart_as_remembered().await;
    is_ready(&hub, true).await;
    assert_eq!(reader.gap().await.from, None);
    let mut late = Reader::since(&news, first).await;
    assert_eq!(late.texts(2).await, ["2", "3"]);
    publish_all(&news, ["8"]).await;
    assert_eq!(late.text().await, "8");
    assert_eq!(reader.text().await, "8");
}

pub(crate) async fn while_an_engine_is_away_nothing_is_taken_and_nobody_is_cut(
    engine: &mut impl Engine,
) {
    let hub = engine.node(impatient()).await;
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    let first = publish_all(&news, ["1"]).await;
    assert_eq!(reader.text().await, "1");
    engine.kill().await;
    is_ready(&hub, false).await;
    let asked = Instant::now();
    let refused = news.publish("2").await;
    // Of a cluster it is not known whether a server was reached.
    assert!(
        matches!(
            refused,
            Err(PublishError::Unavailable(_) | PublishError::Unanswered(_))
        ),
        "{refused:?}"
    );
    let elsewhere = hub.channel("elsewhere").unwrap().subscribe().await;
    elsewhere
        .map(drop)
        .expect_err("nobody knows where it stands");
    assert!(asked.elapsed() < Duration::from_secs(2), "at once");
    // Of a channel that this node follows it knows enough.
    let mut beside = Reader::since(&news, first).await;
    engine.restart().await;
    is_ready(&hub, true).await;
    publish_all(&news, ["3"]).await;
    assert_eq!(reader.text().await, "3");
    assert_eq!(beside.text().await, "3");
}

pub(crate) async fn an_engine_that_stands_still_is_noticed_and_nothing_is_published_twice(
    engine: &mut impl Engine,
) {
    let hub = engine.node(impatient()).await;
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    publish_all(&news, ["1"]).await;
    engine.pause();
    let unsure = news.publish("2").idempotency_key("2").await;
    let unsure = unsure.expect_err("there is nobody to answer");
    assert!(
        matches!(
            unsure,
            PublishError::Unanswered(_) | PublishError::Unavailable(_)
        ),
        "{unsure}"
    );
    is_ready(&hub, false).await;
    engine.resume();
    is_ready(&hub, true).await;
    let second = news.publish("2").idempotency_key("2").await.unwrap();
    assert_eq!(second.offset, 2, "whether or not it had been published");
    publish_all(&news, ["3"]).await;
    assert_eq!(reader.texts(3).await, ["1", "2", "3"]);
}

pub(crate) async fn cut_connections_lose_nothing_and_repeat_nothing(engine: &mut impl Engine) {
    const COUNT: usize = 200;
    let config = patient().history(1_000, 10 * PATIENCE);
    let a = engine.distant_node(config.clone()).await;
    let b = engine.distant_node(config).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    let news = a.channel("news").unwrap();
    let publishing = async {
        for number in 0..COUNT {
            loop {
                let key = number.to_string();
                let published = news.publish(key.clone()).idempotency_key(key).await;
                match published {
                    Ok(_) => break,
                    Err(PublishError::Unanswered(_) | PublishError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let cutting = async {
        loop {
            sleep(Duration::from_millis(50)).await;
            engine
                .network()
                .into_iter()
                .for_each(encke_tests::Proxy::cut);
            is_ready(&a, true).await;
            is_ready(&b, true).await;
        }
    };
    tokio::select! {
        () = publishing => {}
        () = cutting => {}
    }
    let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(reader.texts(COUNT).await, expected);
}

pub(crate) async fn what_was_not_answered_is_published_once_or_not_at_all(
    engine: &mut impl Engine,
) {
    const COUNT: usize = 300;
    let config = patient().history(1_000, 10 * PATIENCE);
    let a = engine.distant_node(config.clone()).await;
    let b = engine.distant_node(config).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    let news = a.channel("news").unwrap();
    let publishing = async {
        let mut answered = Vec::new();
        let many = (0..COUNT).map(|number| {
            let news = &news;
            async move { (number, news.publish(number.to_string()).await) }
        });
        let mut many = stream::iter(many).buffer_unordered(8);
        while let Some((number, published)) = many.next().await {
            match published {
                Ok(position) => answered.push((position.offset, number.to_string())),
                Err(PublishError::Unanswered(_) | PublishError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        answered
    };
    let cutting = async {
        loop {
            sleep(Duration::from_millis(20)).await;
            engine
                .network()
                .into_iter()
                .for_each(encke_tests::Proxy::cut);
            is_ready(&a, true).await;
        }
    };
    let answered = tokio::select! {
        answered = publishing => answered,
        () = cutting => unreachable!(),
    };
    is_ready(&a, true).await;
    is_ready(&b, true).await;
    let last = news.publish("end").await.unwrap();
    let mut seen = Vec::new();
    while reader.position() != last {
        seen.push(reader.text().await);
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "nothing twice");
    let first = last.offset - seen.len() as u64 + 1;
    for (offset, text) in answered {
        assert_eq!(
            seen[(offset - first) as usize],
            text,
            "what was answered is there"
        );
    }
}

pub(crate) async fn a_slow_engine_delays_and_loses_nothing(engine: &mut impl Engine) {
    let a = engine.distant_node(patient()).await;
    let b = engine.distant_node(patient()).await;
    let mut reader = Reader::at_head(&b.channel("news").unwrap()).await;
    for proxy in engine.network() {
        proxy.delay(Duration::from_millis(100));
    }
    let news = a.channel("news").unwrap();
    let publishing = (0..20).map(|number| {
        let news = &news;
        async move { news.publish(number.to_string()).await.unwrap().offset }
    });
    let offsets = futures_util::future::join_all(publishing).await;
    let mut texts = vec![String::new(); offsets.len()];
    for (number, offset) in offsets.into_iter().enumerate() {
        texts[offset as usize - 1] = number.to_string();
    }
    assert_eq!(reader.texts(20).await, texts);
}

pub(crate) async fn a_node_that_was_cut_off_has_what_it_missed_or_a_gap(engine: &mut impl Engine) {
    let config = patient()
        .history(10, PATIENCE)
        .live_window(0, Duration::ZERO);
    let near = engine.node(config.clone()).await;
    let far = engine.distant_node(config).await;
    let news = near.channel("news").unwrap();
    let mut reader = Reader::at_head(&far.channel("news").unwrap()).await;
    let start = reader.position();
    let cut_off = async |texts: &[&str]| {
        for proxy in engine.network() {
            proxy.refuse();
        }
        is_ready(&far, false).await;
        publish_all(&news, texts.iter().copied()).await;
        for proxy in engine.network() {
            proxy.accept_again();
        }
    };
    cut_off(&["1", "2", "3"]).await;
    assert_eq!(reader.texts(3).await, ["1", "2", "3"]);
    let many: Vec<_> = (4..=20).map(|number| number.to_string()).collect();
    cut_off(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let gap = reader.gap().await;
    let lost = (start.offset + 4, start.offset + 10);
    assert_eq!(
        (gap.from, gap.to.offset),
        (Some(lost.0), lost.1),
        "what history has not"
    );
    assert_eq!(reader.texts(10).await, many[7..]);
}

pub(crate) async fn a_crowd_that_recovers_costs_one_read(engine: &mut impl Engine) {
    const CROWD: usize = 5_000;
    let (a, b) = (engine.node(patient()).await, engine.node(patient()).await);
    let news = a.channel("news").unwrap();
    let start = Reader::at_head(&news).await.position();
    publish_all(&news, (0..50).map(|number| number.to_string())).await;
    let there = b.channel("news").unwrap();
    let recovering = (0..CROWD).map(|client| {
        let mut since = start;
        since.offset += client as u64 % 50;
        let there = &there;
        async move {
            let mut reader = Reader::since(there, since).await;
            assert!(matches!(reader.next().await, Delivery::Publication(_)));
            reader
        }
    });
    let readers = futures_util::future::join_all(recovering).await;
    assert_eq!(readers.len(), CROWD);
    let reads = b.stats().history_reads;
    assert!(reads <= 2, "{reads} reads");
}
