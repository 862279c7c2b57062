//! A hub's URLs over real sockets: every transport, every way to continue.

mod listener;
mod stream;

use encke::{Data, HubConfig, JsonText};
use listener::{Listener, Way, ask, both_ways, hub, post};
use serde_json::{Value, json};
use std::time::Duration;
use stream::{Given, Over, Stream, TRANSPORTS};

const SSE: &str = "accept: text/event-stream\r\n";

async fn publish(hub: &encke::Hub, texts: impl IntoIterator<Item = String>) {
    let news = hub.channel("news").unwrap();
    for text in texts {
        news.publish(text).await.unwrap();
    }
}

fn numbered(numbers: impl IntoIterator<Item = u64>) -> impl Iterator<Item = String> {
    numbers.into_iter().map(|number| number.to_string())
}

async fn one_publish_reaches_every_transport(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut streams = Vec::new();
    for over in TRANSPORTS {
        streams.push(Stream::open(address, over, "").await);
    }
    publish(&hub, ["kiki".to_owned(), "foo".to_owned()]).await;
    for stream in &mut streams {
        assert_eq!(
            stream.next().await,
            Given::Data("kiki".into()),
            "{:?}",
            stream.over
        );
        assert_eq!(
            stream.next().await,
            Given::Data("foo".into()),
            "{:?}",
            stream.over
        );
    }
    way.is_taken(&hub).await;
}

async fn a_session_continues_from_any_position_it_was_told_over_any_transport(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for (from, to) in TRANSPORTS
        .into_iter()
        .zip([Over::Comet, Over::Sse, Over::Ndjson])
    {
        let mut first = Stream::open(address, from, "").await;
        publish(&hub, numbered(1..=3)).await;
        assert_eq!(first.next().await, Given::Data("1".into()));
        let mut second = Stream::open(address, to, &format!("since={}", first.position)).await;
        assert_eq!(second.next().await, Given::Data("2".into()));
        assert_eq!(second.next().await, Given::Data("3".into()));
    }
}

async fn a_session_cut_before_its_first_publication_recovers_too(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for over in TRANSPORTS {
        let cut = Stream::open(address, over, "").await;
        publish(&hub, numbered([1])).await;
        let mut again = Stream::open(address, over, &format!("since={}", cut.position)).await;
        assert_eq!(again.next().await, Given::Data("1".into()), "{over:?}");
    }
}

async fn a_recovery_cut_again_goes_on_where_it_was(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for over in TRANSPORTS {
        let cut = Stream::open(address, over, "").await;
        publish(&hub, numbered(1..=3)).await;
        let mut seen = Vec::new();
        let mut position = cut.position;
        for _ in 0..3 {
            let mut again = Stream::open(address, over, &format!("since={position}")).await;
            seen.push(again.next().await);
            position = again.position;
        }
        assert_eq!(
            seen,
            ["1", "2", "3"].map(|text| Given::Data(text.into())),
            "{over:?}"
        );
    }
}

async fn last_event_id_wins_over_since(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut first = Stream::open(address, Over::Sse, "").await;
    publish(&hub, numbered(1..=2)).await;
    let old = first.position.clone();
    first.next().await;
    let headers = format!("{SSE}last-event-id: {}\r\n", first.position);
    let mut again = Listener::open(address, &format!("/live/news?since={old}"), &headers).await;
    again.event().await;
    assert!(again.event().await.ends_with("data: 2\n\n"));
}

async fn a_thousand_publishes_in_one_tick_without_history_leave_no_gap(way: Way) {
    let config = HubConfig::default().history(0, Duration::ZERO);
    let (hub, address) = way.hub(config).await;
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, "").await;
        publish(&hub, numbered(1..=1000)).await;
        for number in numbered(1..=1000) {
            assert_eq!(stream.next().await, Given::Data(number), "{over:?}");
        }
    }
}

async fn large_and_small_publications_arrive_once_and_in_order(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    // Around the sizes at which bytes are copied, handed over by themselves, or fill a write.
    let sizes = [
        1, 16_000, 16_384, 17_000, 20, 65_536, 70_000, 5, 30_000, 1, 200_000,
    ];
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, "").await;
        publish(
            &hub,
            sizes
                .iter()
                .enumerate()
                .map(|(number, size)| large(number, *size)),
        )
        .await;
        for (number, size) in sizes.into_iter().enumerate() {
            assert!(
                stream.next().await == Given::Data(large(number, size)),
                "{over:?} {number}"
            );
        }
    }
}

fn large(number: usize, size: usize) -> String {
    format!("{number}:{}", "x".repeat(size))
}

async fn what_was_trimmed_while_a_large_publication_was_half_sent_is_a_gap_behind_it(way: Way) {
    let config = HubConfig::default().history(1, Duration::from_secs(60));
    let (hub, address) = way.hub(config).await;
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, "").await;
        let before = newest_offset(&hub).await;
        let first = stream.position.clone();
        publish(&hub, [large(0, 1 << 20)]).await;
        // The server hands it to a socket that nobody reads; the rest waits in the server.
        while hub.stats().memory < 2 << 20 {
            tokio::task::yield_now().await;
        }
        publish(&hub, (1..=9).map(|number| large(number, 1 << 20))).await;
        assert!(
            stream.next().await == Given::Data(large(0, 1 << 20)),
            "{over:?}"
        );
        let mut next = 1;
        while next <= 9 {
            match stream.next().await {
                Given::Data(data) => {
                    assert!(data == large(next as usize, 1 << 20), "{over:?} {next}");
                    next += 1;
                }
                Given::Gap(from, to) => {
                    assert_eq!(from, Some(before + 1 + next), "{over:?}");
                    next = to - before;
                }
                Given::Opened => unreachable!("said once"),
            }
        }
        let newest = before + 10;
        let mut again = Stream::open(address, over, &format!("since={first}")).await;
        assert_eq!(
            again.next().await,
            Given::Gap(Some(before + 1), newest - 1),
            "{over:?}"
        );
        assert!(again.next().await == Given::Data(large(9, 1 << 20)));
    }
}

async fn newest_offset(hub: &encke::Hub) -> u64 {
    hub.channel("news")
        .unwrap()
        .subscribe()
        .await
        .unwrap()
        .position()
        .offset
}

async fn unknown_positions_connect_and_begin_with_a_gap(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    publish(&hub, numbered(1..=2)).await;
    let epoch = hub
        .channel("news")
        .unwrap()
        .subscribe()
        .await
        .unwrap()
        .position()
        .epoch;
    for since in ["00000000000000aa:1".to_owned(), format!("{epoch}:3")] {
        for over in TRANSPORTS {
            let mut stream = Stream::open(address, over, &format!("since={since}")).await;
            assert_eq!(stream.next().await, Given::Gap(None, 0), "{over:?} {since}");
            assert_eq!(stream.next().await, Given::Data("1".into()));
            assert_eq!(stream.next().await, Given::Data("2".into()));
        }
    }
    let mut empty = Listener::open(address, "/live/empty?since=aa:7", "").await;
    empty.item().await;
    assert_eq!(empty.item().await["gap"]["to"], 0);
}

async fn an_id_that_cannot_be_read_is_a_gap_for_an_event_source(way: Way) {
    let (_hub, address) = way.hub(HubConfig::default()).await;
    for id in ["!", "12:", "a b", "AQ", "\u{e9}"] {
        let headers = format!("{SSE}last-event-id: {id}\r\n");
        let mut stream = Listener::open(address, "/live/news", &headers).await;
        stream.event().await;
        assert!(stream.event().await.starts_with("event: gap\n"), "{id}");
    }
}

async fn history_gives_a_newcomer_what_was_published_before(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    publish(&hub, numbered(1..=5)).await;
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, "history=2").await;
        assert_eq!(stream.next().await, Given::Data("4".into()));
        assert_eq!(stream.next().await, Given::Data("5".into()));
    }
}

async fn several_channels_share_one_stream_and_one_position(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let path = "/live/a?channel=b&channel=c%2Fd";
    let mut stream = Listener::open(address, path, "").await;
    let opened = stream.item().await;
    assert_eq!(opened.as_object().unwrap().len(), 1, "{opened}");
    for channel in ["c/d", "b", "a"] {
        hub.channel(channel)
            .unwrap()
            .publish(channel)
            .await
            .unwrap();
        let item = stream.item().await;
        assert_eq!(
            (&item["channel"], &item["data"]),
            (&json!(channel), &json!(channel))
        );
        assert_eq!(item["offset"], 1);
    }
    let since = opened["position"].as_str().unwrap();
    let mut again = Listener::open(address, &format!("{path}&since={since}"), SSE).await;
    again.event().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let event = again.event().await;
        let item: Value = serde_json::from_str(event.rsplit_once("data: ").unwrap().1).unwrap();
        assert!(event.starts_with(&format!("id: {}\n", item["position"].as_str().unwrap())));
        seen.push(item["channel"].as_str().unwrap().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["a", "b", "c/d"]);
    let other = format!("/live/a?channel=b&since={since}");
    let mut other = Listener::open(address, &other, "").await;
    other.item().await;
    assert_eq!(other.item().await["gap"]["from"], Value::Null);
}

async fn data_arrives_as_it_was_published(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut ndjson = Listener::open(address, "/live/news", "").await;
    let mut sse = Listener::open(address, "/live/news", SSE).await;
    let mut comet = Listener::open(address, "/live/news?callback=parent.f", "").await;
    ndjson.item().await;
    sse.event().await;
    comet.script().await;
    let json = JsonText::parse("{ \"n\" : 1.00, \"__proto__\": \"</script>\" }").unwrap();
    let news = hub.channel("news").unwrap();
    news.publish(json).await.unwrap();
    news.publish(vec![0xff, 0x00]).await.unwrap();
    news.publish(Data::json(&"text").unwrap()).await.unwrap();
    assert!(
        ndjson
            .until("\n")
            .await
            .contains(r#""data":{"n":1.00,"__proto__":"</script>"}}"#)
    );
    assert_eq!(ndjson.item().await["base64"], "/wA=");
    assert!(
        sse.event()
            .await
            .ends_with("\ndata: {\"n\":1.00,\"__proto__\":\"</script>\"}\n\n")
    );
    let binary = sse.event().await;
    assert!(binary.starts_with("event: binary\nid: ") && binary.ends_with("\ndata: /wA=\n\n"));
    let call = comet.script().await;
    let expected = r#"parent.f({"n":1.00,["__proto__"]:"\u003c/script\u003e"},{position:'"#;
    assert!(call.starts_with(expected), "{call}");
    let call = comet.script().await;
    assert!(call.starts_with(r"parent.f('\/wA=',{position:'"), "{call}");
    assert!(call.ends_with("',base64:true});"), "{call}");
}

async fn what_is_posted_is_published_by_its_type(way: Way) {
    let (_hub, address) = way.hub(HubConfig::default()).await;
    let mut stream = Listener::open(address, "/live/news", "").await;
    let opened = stream.item().await;
    for (offset, (content_type, body, item)) in (1..).zip([
        ("", &b"plain"[..], json!({"data": "plain"})),
        (
            "application/x-www-form-urlencoded",
            b"a=b",
            json!({"data": "a=b"}),
        ),
        (
            "text/plain;charset=utf-8",
            "é".as_bytes(),
            json!({"data": "é"}),
        ),
        ("text/plain", b"\xff", json!({"base64": "/w=="})),
        (
            "application/octet-stream",
            b"bytes",
            json!({"base64": "Ynl0ZXM="}),
        ),
        ("application/json", b" [1, 2] ", json!({"data": [1, 2]})),
        ("text/plain", b"", json!({"data": ""})),
    ]) {
        let header = match content_type {
            "" => String::new(),
            value => format!("content-type: {value}\r\n"),
        };
        let position = post(address, "news", &header, body).await;
        let received = stream.item().await;
        for field in ["channel", "epoch", "offset", "position"] {
            assert_eq!(position[field], received[field]);
        }
        assert_eq!(position["offset"], offset);
        assert_eq!(position["epoch"], opened["epoch"]);
        let (field, value) = item.as_object().unwrap().iter().next().unwrap();
        assert_eq!(received[field], *value, "{content_type}");
    }
}

async fn every_comet_session_keeps_its_own_callback_and_nonce_in_a_crowd(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut crowd = Vec::new();
    for n in 0..100 {
        let path = format!("/live/news?callback=parent.f{}", n * n);
        let mut comet = Listener::open(address, &path, "").await;
        comet.script().await;
        crowd.push(comet);
    }
    let news = hub.channel("news").unwrap();
    for data in ["kiki", "foo"] {
        news.publish(data).await.unwrap();
    }
    for (n, comet) in crowd.iter_mut().enumerate() {
        let policy = comet.header("content-security-policy").unwrap();
        let nonce = policy
            .split(['\'', '\''])
            .find(|part| part.starts_with("nonce-"));
        let nonce = nonce.unwrap().strip_prefix("nonce-").unwrap();
        for data in ["kiki", "foo"] {
            let open = format!("<script nonce=\"{nonce}\">parent.f{}('{data}',", n * n);
            let script = comet.until("</script>").await;
            assert!(
                script.ends_with("</script>") && script.contains(&open),
                "{script} is not {open}"
            );
        }
    }
}

async fn streams_carry_the_headers_that_keep_them_live_and_contained(way: Way) {
    let (_hub, address) = way.hub(HubConfig::default()).await;
    let comet = Listener::open(address, "/live/news?callback=parent.f", "").await;
    assert_eq!(
        comet.header("content-type").unwrap(),
        "text/html; charset=utf-8"
    );
    let policy = comet.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'self'") && policy.contains("'nonce-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let sse = Listener::open(address, "/live/news", SSE).await;
    assert_eq!(
        sse.header("content-type").unwrap(),
        "text/event-stream; charset=utf-8"
    );
    let ndjson = Listener::open(address, "/live/news", "").await;
    assert_eq!(
        ndjson.header("content-type").unwrap(),
        "application/x-ndjson"
    );
    for stream in [comet, sse, ndjson] {
        assert_eq!(
            stream.header("cache-control").unwrap(),
            "no-store, no-transform"
        );
        assert_eq!(stream.header("x-accel-buffering").unwrap(), "no");
        assert_eq!(stream.header("x-content-type-options").unwrap(), "nosniff");
    }
}

async fn encodings_count_in_the_memory_limit_too(way: Way) {
    let limit = 4 << 20;
    let (hub, address) = way.hub(HubConfig::default().memory_limit(limit)).await;
    publish(&hub, (0..30).map(|_| "\n<".repeat(50_000))).await;
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, "history=100").await;
        publish(&hub, ["end".to_owned()]).await;
        while stream.next().await != Given::Data("end".into()) {
            assert!(hub.stats().memory <= limit, "{over:?} {:?}", hub.stats());
        }
    }
    assert!(hub.stats().trimmed > 0);
}

async fn a_page_of_another_origin_is_told_where_it_stands_first(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    publish(&hub, numbered([1])).await;
    let path = "/live/news?post=http://encke&since=aa:1";
    let mut stream = Listener::open(address, path, "").await;
    stream.script().await;
    let first = stream.script().await;
    assert!(
        first.starts_with("parent.postMessage({position:'"),
        "{first}"
    );
    assert!(first.ends_with("'},\"http://encke\");"), "{first}");
    assert!(stream.script().await.contains(",gap:{"));
}

#[tokio::test]
async fn head_opens_no_session() {
    let (hub, address) = hub(HubConfig::default()).await;
    let request = "HEAD /live/news HTTP/1.1\r\nhost: encke\r\naccept: text/event-stream\r\n\r\n";
    let (status, head, _) = ask(address, request).await;
    assert_eq!(status, 200);
    assert!(head.contains("text/event-stream"), "{head}");
    assert_eq!(hub.stats().sessions, 0);
}

async fn a_client_that_leaves_is_forgotten_and_counted(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let stream = Listener::open(address, "/live/news", "").await;
    assert_eq!(hub.stats().sessions, 1);
    drop(stream);
    while hub.stats().sessions > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(hub.stats().gone, 1);
}

async fn shutdown_sends_what_was_published_and_the_last_chunk(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut streams = Vec::new();
    for over in TRANSPORTS {
        streams.push(Stream::open(address, over, "").await);
    }
    publish(&hub, numbered([1])).await;
    hub.shutdown();
    for stream in &mut streams {
        assert_eq!(stream.next().await, Given::Data("1".into()));
        assert!(stream.listener.ends().await, "{:?}", stream.over);
    }
    let (status, _, body) = ask(address, "GET /live/news HTTP/1.1\r\nhost: encke\r\n\r\n").await;
    assert_eq!(status, 503, "{body}");
    assert!(hub.channel("news").unwrap().publish("late").await.is_err());
}

async fn what_has_left_the_log_is_held_by_nobody(way: Way) {
    let config = HubConfig::default()
        .history(0, Duration::ZERO)
        .live_window(1 << 20, Duration::from_secs(2));
    let (hub, address) = way.hub(config).await;
    let mut stream = Stream::open(address, Over::Sse, "").await;
    way.is_taken(&hub).await;
    for size in [100, 5 << 20] {
        publish(&hub, [large(0, size)]).await;
        assert!(stream.next().await == Given::Data(large(0, size)));
    }
    assert!(hub.stats().memory > 5 << 20);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(hub.stats().memory, 0);
}

both_ways! {
    every_comet_session_keeps_its_own_callback_and_nonce_in_a_crowd,
    what_has_left_the_log_is_held_by_nobody,
    one_publish_reaches_every_transport,
    a_session_continues_from_any_position_it_was_told_over_any_transport,
    a_session_cut_before_its_first_publication_recovers_too,
    a_recovery_cut_again_goes_on_where_it_was,
    last_event_id_wins_over_since,
    a_thousand_publishes_in_one_tick_without_history_leave_no_gap,
    large_and_small_publications_arrive_once_and_in_order,
    what_was_trimmed_while_a_large_publication_was_half_sent_is_a_gap_behind_it,
    unknown_positions_connect_and_begin_with_a_gap,
    an_id_that_cannot_be_read_is_a_gap_for_an_event_source,
    history_gives_a_newcomer_what_was_published_before,
    several_channels_share_one_stream_and_one_position,
    data_arrives_as_it_was_published,
    what_is_posted_is_published_by_its_type,
    streams_carry_the_headers_that_keep_them_live_and_contained,
    encodings_count_in_the_memory_limit_too,
    a_page_of_another_origin_is_told_where_it_stands_first,
    a_client_that_leaves_is_forgotten_and_counted,
    shutdown_sends_what_was_published_and_the_last_chunk,
}
