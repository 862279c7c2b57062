//! What a stream of events looks like on the wire.

mod wire;

use std::time::Duration;

use encke::{BoxError, Event, EventSource, Json};
use futures_util::stream;
use wire::receive;

#[tokio::test]
async fn every_event_is_one_chunk() {
    let events = EventSource::new(stream::iter(["kiki", "foo\r\nbar"]));
    let (head, body) = receive(events).await.response().await;
    for header in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(head.contains(header), "{header} is missing: {head}");
    }
    assert_eq!(
        body,
        "C\r\ndata: kiki\n\n\r\n15\r\ndata: foo\ndata: bar\n\n\r\n0\r\n\r\n"
    );
}

async fn sent(events: EventSource) -> String {
    let (_, body) = receive(events).await.response().await;
    body
}

#[tokio::test]
async fn events_are_made_of_pairs_json_and_events() {
    let pairs = EventSource::new(stream::iter([("news", "kiki")]));
    assert!(sent(pairs).await.contains("event: news\ndata: kiki\n\n"));
    let named_json = EventSource::new(stream::iter([("news", Json([1, 2]))]));
    assert!(
        sent(named_json)
            .await
            .contains("event: news\ndata: [1,2]\n\n")
    );
    let json = EventSource::json(stream::iter([serde_json::json!({"foo": 1})]));
    assert!(sent(json).await.contains("data: {\"foo\":1}\n\n"));
    let event = Event::new()
        .id("7")
        .unwrap()
        .retry(Duration::from_millis(500))
        .comment("bar");
    let events = EventSource::new(stream::iter([event]));
    assert!(sent(events).await.contains("id: 7\nretry: 500\n: bar\n\n"));
}

#[tokio::test]
async fn event_that_would_forge_a_field_cuts_the_response() {
    let events = EventSource::new(stream::iter([("news", "kiki"), ("a\ndata: b", "foo")]));
    let text = receive(events).await.rest().await;
    assert!(text.ends_with("event: news\ndata: kiki\n\n\r\n"), "{text}");
}

#[tokio::test]
async fn quiet_stream_is_kept_alive_by_comments() {
    let events = EventSource::new(stream::pending::<String>()).keep_alive(Duration::from_millis(1));
    receive(events)
        .await
        .until("4\r\n: \n\n\r\n4\r\n: \n\n\r\n")
        .await;
}

#[tokio::test]
async fn head_arrives_before_there_is_an_event() {
    let events = EventSource::new(stream::pending::<Result<String, BoxError>>());
    receive(events).await.until("\r\n\r\n").await;
}

#[tokio::test]
async fn callback_sends_events() {
    let events = EventSource::with(|events| async move {
        events.send("kiki").await?;
        events.send(("news", "foo")).await?;
        events.close()
    });
    let body = sent(events).await;
    assert_eq!(
        body,
        "C\r\ndata: kiki\n\n\r\n17\r\nevent: news\ndata: foo\n\n\r\n0\r\n\r\n"
    );
}
