//! Nodes that share a broker behind nginx: whoever is let in by it cannot tell them apart.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use encke_tests::{Client, Nginx, Program, Redis, Way};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use crate::{LONG, Nodes};

/// Publishes `item NUMBER.` once, however often it has to be said; gives the answer's body.
async fn publish(server: SocketAddr, number: u32) -> String {
    let key = format!("Idempotency-Key: item-{number}\r\n");
    for _ in 0..10 {
        let answer = Client::post(server, &key, &format!("item {number}.")).await;
        if answer.starts_with("HTTP/1.1 200 ") {
            let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            return body.to_owned();
        }
    }
    panic!("item {number} was taken by nobody");
}

async fn listen_in_every_way(servers: &[SocketAddr]) -> Vec<Client> {
    let mut clients = Vec::new();
    for &server in servers {
        for way in Way::ALL {
            clients.push(Client::listen(server, way).await);
        }
    }
    clients
}

/// That each has these publications, in order and once.
async fn have(clients: &mut [Client], numbers: RangeInclusive<u32>) {
    for client in clients {
        client.until(&format!("item {}.", numbers.end())).await;
        let expected: Vec<_> = numbers.clone().collect();
        assert_eq!(client.numbers(), expected, "{}", client.seen());
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn what_is_published_through_nginx_arrives_in_order_on_every_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start_over(&redis.url(), &[], LONG).await;
    let mut servers: Vec<_> = nodes.programs.iter().map(Program::address).collect();
    servers.push(nodes.nginx.address());
    let mut clients = listen_in_every_way(&servers).await;
    for number in 1..=30 {
        publish(nodes.nginx.address(), number).await;
    }
    have(&mut clients, 1..=30).await;
}

/// Listens until the publication `last`, over as many connections as it takes.
async fn follow(server: SocketAddr, mut client: Client, last: u32) -> (Vec<u32>, Option<Way>) {
    let end = format!("item {last}.");
    let mut numbers = Vec::new();
    let mut came_back = None;
    while !client.gets_to(&end).await {
        numbers.extend(client.numbers());
        came_back = Some(client.way());
        client = Client::listen_since(server, client.way(), client.position()).await;
    }
    numbers.extend(client.numbers());
    (numbers, came_back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn the_clients_of_a_node_killed_while_it_publishes_miss_nothing_and_get_nothing_twice() {
    const LAST: u32 = 200;
    let redis = Redis::start().await;
    // More than is published, so that nothing may be missing.
    let mut nodes = Nodes::start_over(&redis.url(), &["--history", "1000"], LONG).await;
    let server = nodes.nginx.address();
    // By turns, so that every node has somebody in every way.
    let clients = listen_in_every_way(&[server; 3]).await;
    let following = clients
        .into_iter()
        .map(|client| tokio::spawn(follow(server, client, LAST)));
    let following = following.collect::<Vec<_>>();
    let half = Arc::new(Notify::new());
    let is_half = half.clone();
    let publishing = tokio::spawn(async move {
        for number in 1..=LAST {
            publish(server, number).await;
            if number == LAST / 2 {
                half.notify_one();
            }
        }
    });
    is_half.notified().await;
    nodes.programs[0].kill().await;
    publishing.await.expect("it is published");

    let expected: Vec<_> = (1..=LAST).collect();
    let mut came_back = Vec::new();
    for followed in join_all(following).await {
        let (numbers, way) = followed.expect("nothing is said that is not so");
        assert_eq!(numbers, expected, "{way:?}");
        came_back.extend(way);
    }
    for way in Way::ALL {
        assert!(came_back.contains(&way), "{way:?} not in {came_back:?}");
    }
}

/// Hands the first publication it is sent to its node, which then dies before it can answer.
async fn last_deed(mut node: Program) -> (SocketAddr, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has one");
    let (did, done) = oneshot::channel();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("somebody comes");
        drop(listener);
        let mut request = String::new();
        while !request.ends_with('.') {
            let mut bytes = [0; 4096];
            let count = socket.read(&mut bytes).await.expect("a request");
            request += &String::from_utf8_lossy(&bytes[..count]);
        }
        let (_, item) = request.rsplit_once("item ").expect("a number");
        let number = item.trim_end_matches('.').parse().expect("a number");
        let answer = publish(node.address(), number).await;
        node.kill().await;
        let _ = did.send(answer);
    });
    (address, done)
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn what_a_node_published_before_it_died_is_not_published_again_by_the_next() {
    let redis = Redis::start().await;
    let dying = Program::start_over(&redis.url(), &[]).await;
    let b = Program::start_over(&redis.url(), &[]).await;
    let c = Program::start_over(&redis.url(), &[]).await;
    let mut clients = listen_in_every_way(&[b.address(), c.address()]).await;
    let (dying, mut last_answer) = last_deed(dying).await;
    let nginx = Nginx::before([dying, b.address(), c.address()], LONG).await;
    // Which node is asked first is up to nginx.
    let mut number = 0;
    loop {
        number += 1;
        let key = format!("Idempotency-Key: item-{number}\r\n");
        let answer = Client::post(nginx.address(), &key, &format!("item {number}.")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        if let Ok(first) = last_answer.try_recv() {
            assert!(answer.ends_with(&first), "{first}, and then {answer}");
            break;
        }
        assert!(number < 3, "nobody asked the node that dies");
    }
    publish(nginx.address(), number + 1).await;
    have(&mut clients, 1..=number + 1).await;
}
