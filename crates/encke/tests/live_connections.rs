//! What sessions make of their connections: of what came before on it, comes behind the request,
//! and of clients that leave in a hurry.

mod listener;
mod stream;

use encke::{Hub, HubConfig};
use listener::{Listener, PATIENCE, Way, both_ways};
use std::{net::SocketAddr, time::Duration};
use stream::{Given, Over, Stream, TRANSPORTS};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const NDJSON: &str = "GET /live/news HTTP/1.1\r\nhost: encke\r\n\r\n";

async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

/// Reads until `text` has come; gives all that did.
async fn until(socket: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    loop {
        let all = String::from_utf8_lossy(&read).into_owned();
        if all.contains(text) {
            return all;
        }
        let more = timeout(PATIENCE, socket.read_buf(&mut read)).await;
        assert!(more.expect(text).unwrap() > 0, "{text:?} is not in {all:?}");
    }
}

async fn publish(hub: &Hub, text: &str) {
    hub.channel("news").unwrap().publish(text).await.unwrap();
}

async fn is_empty(hub: &Hub) {
    let wait = async {
        while hub.stats().sessions > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{:?}", hub.stats()));
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_and_stays() {
    let (hub, address) = Way::Detached.hub(HubConfig::default()).await;
    let request = "GET /live/news HTTP/1.0\r\nhost: encke\r\naccept: text/event-stream\r\n\r\n";
    let mut client = send(address, request).await;
    let opened = until(&mut client, "data:\n\n").await;
    let (head, body) = opened.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked"), "{head}");
    assert!(body.starts_with("id: "), "{body}");
    publish(&hub, "kiki").await;
    until(&mut client, "data: kiki\n\n").await;
    Way::Connected.is_taken(&hub).await;
    hub.shutdown();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_behind_that_of_a_session_that_left_is_not_served() {
    let (hub, address) = Way::Detached.hub(HubConfig::default()).await;
    let post = "POST /live/news HTTP/1.1\r\nhost: encke\r\ncontent-length: 4\r\n\r\nlate";
    let mut client = send(address, &format!("{NDJSON}{post}{NDJSON}")).await;
    until(&mut client, "position").await;
    Way::Detached.is_taken(&hub).await;
    client.write_all(post.as_bytes()).await.unwrap();
    publish(&hub, "kiki").await;
    until(&mut client, "kiki").await;
    assert_eq!((hub.stats().sessions, hub.stats().published), (1, 1));
    hub.shutdown();
    let rest = until(&mut client, "0\r\n\r\n").await;
    assert_eq!(rest, "0\r\n\r\n");
}

async fn a_session_begins_on_a_connection_that_has_published(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let post = "POST /live/news HTTP/1.1\r\nhost: encke\r\ncontent-length: 4\r\n\r\nkiki";
    let mut client = send(address, post).await;
    until(&mut client, "\"offset\":1").await;
    let listen = "GET /live/news?history=1 HTTP/1.1\r\nhost: encke\r\n\r\n";
    client.write_all(listen.as_bytes()).await.unwrap();
    until(&mut client, "kiki").await;
    publish(&hub, "foo").await;
    until(&mut client, "foo").await;
    way.is_taken(&hub).await;
}

async fn a_client_that_closes_its_half_is_forgotten(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = send(address, NDJSON).await;
    until(&mut client, "position").await;
    way.is_taken(&hub).await;
    client.shutdown().await.unwrap();
    is_empty(&hub).await;
    assert_eq!(hub.stats().gone, 1);
}

async fn clients_that_hang_up_at_once_leave_nothing_behind(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for round in 0..100 {
        let mut client = send(address, NDJSON).await;
        match round % 4 {
            0 => drop(client),
            1 => {
                client.read_u8().await.unwrap();
            }
            // What is unread makes it a reset.
            2 => client.readable().await.unwrap(),
            _ => client.shutdown().await.unwrap(),
        }
        publish(&hub, "kiki").await;
    }
    let mut last = Listener::open(address, "/live/news", "").await;
    last.item().await;
    publish(&hub, "foo").await;
    assert_eq!(last.item().await["data"], "foo");
    drop(last);
    is_empty(&hub).await;
    assert_eq!(hub.stats().shut_down + hub.stats().stalled, 0);
}

async fn those_who_stay_miss_nothing_while_others_leave(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = Listener::open(address, "/live/news", "").await;
        client.item().await;
        clients.push(client);
    }
    way.is_taken(&hub).await;
    let mut at = 0;
    for offset in 1..=30 {
        // Some leave before they are written to, some while others are.
        for _ in 0..6 {
            at = (at + 157) % clients.len();
            drop(clients.swap_remove(at));
        }
        publish(&hub, &offset.to_string()).await;
        for _ in 0..6 {
            at = (at + 157) % clients.len();
            drop(clients.swap_remove(at));
        }
        tokio::task::yield_now().await;
    }
    for client in &mut clients {
        for offset in 1..=30 {
            assert_eq!(client.item().await["offset"], offset);
        }
    }
    let left = 400 - clients.len() as u64;
    let wait = async {
        while hub.stats().gone < left {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
    assert_eq!(hub.stats().sessions, clients.len());
}

async fn a_recovery_of_any_size_comes_whole(way: Way) {
    let config = HubConfig::default().live_window(64 << 20, Duration::from_secs(60));
    let (hub, address) = way.hub(config).await;
    let epoch = hub
        .channel("news")
        .unwrap()
        .subscribe()
        .await
        .unwrap()
        .position()
        .epoch;
    let sizes = [10, 9_000, 9_000, 5 << 20, 3, 40_000];
    for size in sizes {
        publish(&hub, &"x".repeat(size)).await;
    }
    for over in TRANSPORTS {
        let mut stream = Stream::open(address, over, &format!("since={epoch}:0")).await;
        for size in sizes {
            assert!(
                stream.next().await == Given::Data("x".repeat(size)),
                "{over:?} {size}"
            );
        }
    }
    let mut live = Stream::open(address, Over::Sse, "").await;
    way.is_taken(&hub).await;
    publish(&hub, &"y".repeat(5 << 20)).await;
    assert!(live.next().await == Given::Data("y".repeat(5 << 20)));
}

both_ways! {
    those_who_stay_miss_nothing_while_others_leave,
    a_session_begins_on_a_connection_that_has_published,
    a_client_that_closes_its_half_is_forgotten,
    clients_that_hang_up_at_once_leave_nothing_behind,
    a_recovery_of_any_size_comes_whole,
}
