//! Publications that are made once, however often they are asked for.

use bytes::Bytes;
use encke::{Action, Grant, Hub, HubConfig, Refusal};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::time::Duration;
use tokio::time::advance;
use tower::ServiceExt;

const WINDOW: Duration = Duration::from_secs(300);

/// POSTs to a channel with these values of `Idempotency-Key`.
async fn post(hub: &Hub, channel: &str, keys: &[&str], body: &'static str) -> (StatusCode, Value) {
    let live = hub
        .live()
        .authorize(|_, _: Action, _| async { Ok::<_, Refusal>(Grant::new()) });
    let mut request = Request::post(format!("/{channel}"));
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = live.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// The position that a POST with this key gets.
async fn position(hub: &Hub, channel: &str, key: &str) -> Value {
    let (status, answer) = post(hub, channel, &[key], "kiki").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn published(hub: &Hub, channel: &str) -> u64 {
    let stats = hub.channel(channel).unwrap().stats().await;
    stats.unwrap().position.offset
}

#[tokio::test]
async fn a_retry_gets_the_first_position_and_publishes_nothing() {
    let hub = Hub::default();
    let first = position(&hub, "news", "order-17").await;
    position(&hub, "news", "order-18").await;
    assert_eq!(position(&hub, "news", "order-17").await, first);
    assert_eq!(published(&hub, "news").await, 2);
}

#[tokio::test]
async fn a_key_is_the_same_bare_and_as_a_string_of_a_structured_field() {
    let hub = Hub::default();
    let first = position(&hub, "news", "order-17").await;
    assert_eq!(position(&hub, "news", "\"order-17\"").await, first);
    let news = hub.channel("news").unwrap();
    let again = news.publish("kiki").idempotency_key("order-17").await;
    assert_eq!(first["offset"], again.unwrap().offset);
    assert_eq!(published(&hub, "news").await, 1);
}

#[tokio::test]
async fn without_a_key_every_post_is_a_publication() {
    let hub = Hub::default();
    post(&hub, "news", &[], "kiki").await;
    post(&hub, "news", &[], "kiki").await;
    assert_eq!(published(&hub, "news").await, 2);
}

#[tokio::test]
async fn a_key_on_two_channels_is_two_publications() {
    let hub = Hub::default();
    position(&hub, "news", "order-17").await;
    let other = position(&hub, "sport", "order-17").await;
    assert_eq!(other["channel"], "sport");
    assert_eq!(published(&hub, "news").await, 1);
    assert_eq!(published(&hub, "sport").await, 1);
}

#[tokio::test]
async fn a_key_has_1_to_255_bytes_and_comes_once() {
    let hub = Hub::default();
    let long = "k".repeat(256);
    for (keys, detail) in [
        (&[""][..], "not 0"),
        (&["\"\""], "not 0"),
        (&[&long], "not 256"),
        (&["a", "a"], "more than one Idempotency-Key"),
        (&["clé"], "visible ASCII"),
    ] {
        let (status, problem) = post(&hub, "news", keys, "kiki").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{keys:?}");
        let told = problem["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
    assert_eq!(published(&hub, "news").await, 0);
    position(&hub, "news", &long[1..]).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_forgotten_after_its_window() {
    let hub = Hub::new(HubConfig::default().idempotency_window(WINDOW));
    let first = position(&hub, "news", "order-17").await;
    advance(WINDOW - Duration::from_millis(1)).await;
    assert_eq!(position(&hub, "news", "order-17").await, first);
    // It is counted from the first use.
    advance(Duration::from_millis(1)).await;
    assert_ne!(position(&hub, "news", "order-17").await, first);
    assert_eq!(published(&hub, "news").await, 2);
}

#[tokio::test]
async fn of_many_who_ask_at_once_all_get_one_position() {
    let hub = Hub::default();
    let asked = (0..32).map(|_| {
        let hub = hub.clone();
        tokio::spawn(async move { position(&hub, "news", "order-17").await })
    });
    let mut answers = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        answers.push(asked.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(published(&hub, "news").await, 1);
}
