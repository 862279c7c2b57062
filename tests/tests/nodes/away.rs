//! What clients and load balancers meet while a node's engine is away, and after.

use std::time::Duration;

use encke_tests::{Client, Redis, Way};
use tokio::time::Instant;

use crate::{answers, node, publish, statistics};

/// That this is a JSON problem, to come back later with, and tells nothing of the engine.
fn is_to_come_back(answer: &str, redis: &Redis) {
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 503 "), "{answer}");
    assert!(head.contains("\r\nretry-after: "), "{answer}");
    assert!(
        head.contains("\r\ncontent-type: application/problem+json"),
        "{answer}"
    );
    assert!(
        !answer.contains(&redis.address().port().to_string()),
        "{answer}"
    );
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_node_without_its_engine_lives_and_says_that_it_is_not_ready() {
    let mut redis = Redis::builder().with_data().start().await;
    let node = node(&redis, &[]).await;
    answers(&node, "/readyz", 200).await;
    redis.kill().await;
    let answer = answers(&node, "/readyz", 503).await;
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(
        answer.contains(r#""detail":"not ready: the broker cannot be asked""#),
        "{answer}"
    );
    answers(&node, "/livez", 200).await;
    redis.restart().await;
    answers(&node, "/readyz", 200).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn without_patience_whoever_needs_the_engine_is_told_at_once() {
    let mut redis = Redis::builder().with_data().start().await;
    let node = node(&redis, &["--broker-patience", "0"]).await;
    let server = node.address();
    let _listener = Client::listen(server, Way::Sse).await;
    redis.kill().await;
    answers(&node, "/readyz", 503).await;
    let asked = Instant::now();
    is_to_come_back(&Client::post(server, "", "item 1.").await, &redis);
    for way in ["transport=sse", "transport=ndjson", "callback=parent.f"] {
        let path = format!("/live/unknown?{way}");
        is_to_come_back(&Client::get(server, &path).await, &redis);
    }
    is_to_come_back(&Client::get(server, "/stats/news").await, &redis);
    // Of a channel that somebody listens to the node knows enough.
    Client::listen(server, Way::Ndjson).await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");

    redis.restart().await;
    answers(&node, "/readyz", 200).await;
    assert_eq!(
        statistics(&node).await["offset"],
        0,
        "nothing was published"
    );
    answers(&node, "/stats/unknown", 200).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn with_patience_they_wait_and_sessions_go_on_where_they_were() {
    let mut redis = Redis::builder().with_data().start().await;
    let patient = node(&redis, &["--broker-patience", "30s"]).await;
    let other = node(&redis, &["--broker-patience", "0"]).await;
    let mut clients = Vec::new();
    for node in [&patient, &other] {
        for way in Way::ALL {
            clients.push(Client::listen(node.address(), way).await);
        }
    }
    publish(&patient, 1).await;
    for client in &mut clients {
        client.until("item 1.").await;
    }
    redis.kill().await;
    answers(&patient, "/readyz", 503).await;
    answers(&other, "/readyz", 503).await;
    let server = patient.address();
    let posted = tokio::spawn(async move { Client::post(server, "", "item 2.").await });
    let listened = tokio::spawn(Client::listen_to(server, Way::Sse, "unknown"));
    // Longer than it takes where nobody waits.
    is_to_come_back(&Client::post(other.address(), "", "item 0.").await, &redis);
    assert!(!posted.is_finished() && !listened.is_finished());

    redis.restart().await;
    let answer = posted.await.expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answers(&patient, "/readyz", 200).await;
    publish(&patient, 3).await;
    // On the connections that they had all the time.
    for client in &mut clients {
        client.until("item 3.").await;
        assert_eq!(client.numbers(), [1, 2, 3], "{}", client.seen());
    }
    listened.await.expect("it is let in");
}
