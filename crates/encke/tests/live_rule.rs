//! The rule: a subscriber sees every offset exactly once and in order, or a gap that covers it.
//!
//! Clients of any speed come and go over real sockets, whatever is published meanwhile.

mod listener;
mod stream;

use encke::{Hub, HubConfig};
use listener::Way;
use proptest::{collection::vec, prelude::*};
use std::{net::SocketAddr, time::Duration};
use stream::{Given, Over, Stream, TRANSPORTS};
use tokio::net::TcpSocket;

const CLIENTS: usize = 5;

#[derive(Debug, Clone)]
enum Action {
    /// Publishes texts of these sizes at once.
    Publish(Vec<usize>),
    /// Has a client read so many items, if there are as many.
    Read(usize, usize),
    /// Has a client leave, whatever is on its way, and come back over this transport.
    ComeBack(usize, Over),
    /// Gives the server a moment.
    Wait,
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0..300_usize,
        // Around the sizes at which bytes are copied, fill a write, and make a piece of their own.
        2 => 4_000..4_200_usize,
        2 => 16_300..16_500_usize,
        1 => 100_000..200_000_usize,
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => vec(size(), 1..40).prop_map(Action::Publish),
        4 => (0..CLIENTS, 1..60_usize).prop_map(|(client, items)| Action::Read(client, items)),
        1 => (0..CLIENTS, prop::sample::select(&TRANSPORTS[..]))
            .prop_map(|(client, over)| Action::ComeBack(client, over)),
        2 => Just(Action::Wait),
    ]
}

/// A client, and the offset that it is to be given next.
struct Client {
    stream: Stream,
    next: u64,
}

impl Client {
    /// One whose socket takes little that it has not read.
    async fn open(address: SocketAddr, over: Over, query: &str) -> Stream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Stream::through(socket.connect(address).await.unwrap(), over, query).await
    }

    async fn read(&mut self) {
        match self.stream.next().await {
            Given::Data(data) => {
                let (offset, _) = data.split_once(':').unwrap();
                assert_eq!(offset.parse(), Ok(self.next));
                self.next += 1;
            }
            Given::Gap(from, to) => {
                assert_eq!(from, Some(self.next));
                assert!(to >= self.next, "{to} is before {}", self.next);
                self.next = to + 1;
            }
            Given::Opened => panic!("said once"),
        }
    }
}

async fn keep_the_rule(way: Way, actions: Vec<Action>) {
    let config = HubConfig::default()
        .history(8, Duration::from_secs(60))
        .live_window(64 << 10, Duration::from_secs(60));
    let (hub, address) = way.hub(config).await;
    let mut clients = Vec::new();
    for over in TRANSPORTS.into_iter().cycle().take(CLIENTS) {
        let stream = Client::open(address, over, "").await;
        clients.push(Client { stream, next: 1 });
    }
    way.is_taken(&hub).await;
    let mut head = 0;
    for action in actions {
        match action {
            Action::Publish(sizes) => {
                for size in sizes {
                    head = publish(&hub, head + 1, size).await;
                }
            }
            Action::Read(client, items) => {
                let client = &mut clients[client];
                for _ in 0..items {
                    if client.next <= head {
                        client.read().await;
                    }
                }
            }
            Action::ComeBack(client, over) => {
                let client = &mut clients[client];
                let query = format!("since={}", client.stream.position);
                client.stream = Client::open(address, over, &query).await;
            }
            Action::Wait => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    head = publish(&hub, head + 1, 0).await;
    for client in &mut clients {
        while client.next <= head {
            client.read().await;
        }
    }
    drop(clients);
    while hub.stats().sessions > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn publish(hub: &Hub, offset: u64, size: usize) -> u64 {
    let text = format!("{offset}:{}", "x".repeat(size));
    let position = hub.channel("news").unwrap().publish(text).await.unwrap();
    assert_eq!(position.offset, offset);
    offset
}

fn run(way: Way, actions: Vec<Action>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(keep_the_rule(way, actions));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn is_kept_by_sessions_that_left_http(actions in vec(action(), 1..60)) {
        run(Way::Detached, actions);
    }

    #[test]
    fn is_kept_by_sessions_that_stay(actions in vec(action(), 1..60)) {
        run(Way::Connected, actions);
    }
}
