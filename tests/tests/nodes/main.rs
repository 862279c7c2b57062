//! `encke serve --broker URL`, as processes over a real engine that is started, paused and killed.

mod away;
mod commands;
mod crowd;
mod listeners;
mod starts;

use std::time::Duration;

use encke_tests::{Client, Program, Redis};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node over this engine.
async fn node(redis: &Redis, options: &[&str]) -> Program {
    Program::start_over(&redis.url(), options).await
}

/// Publishes `item NUMBER.` to `news`.
async fn publish(node: &Program, number: u32) {
    let answer = Client::post(node.address(), "", &format!("item {number}.")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Asks for this path until the answer has this status; gives the answer.
async fn answers(node: &Program, path: &str, status: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = Client::get(node.address(), path).await;
        if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "{path} is not {status}: {answer}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// The statistics of `news`.
async fn statistics(node: &Program) -> Value {
    let answer = answers(node, "/stats/news", 200).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
