//! Three nodes behind nginx, as in the example: nothing is held back, cut or published twice there.

mod shared;

use std::net::SocketAddr;
use std::time::Duration;

use encke_tests::{Client, Nginx, Program, Way};
use futures_util::future::join_all;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// As long as the example has nginx wait for a quiet stream.
const LONG: Duration = Duration::from_secs(80);

/// Shorter than anything a person would configure.
const SHORT: Duration = Duration::from_secs(4);

/// Three nodes and what is before them.
struct Nodes {
    programs: Vec<Program>,
    nginx: Nginx,
}

impl Nodes {
    async fn start(options: &[&str], idle: Duration) -> Self {
        Self::start_over("memory:", options, idle).await
    }

    async fn start_over(broker: &str, options: &[&str], idle: Duration) -> Self {
        let mut programs = Vec::new();
        for _ in 0..3 {
            programs.push(Program::start_over(broker, options).await);
        }
        let addresses = [0, 1, 2].map(|node: usize| programs[node].address());
        let nginx = Nginx::before(addresses, idle).await;
        Self { programs, nginx }
    }

    async fn listen(&self, way: Way) -> Client {
        Client::listen(self.nginx.address(), way).await
    }

    /// Publishes on every node, each of which has channels of its own.
    async fn publish(&self, text: &str) {
        for program in &self.programs {
            let answer = Client::post(program.address(), "", text).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn what_is_published_arrives_at_once_over_every_transport() {
    let nodes = Nodes::start(&[], LONG).await;
    for way in Way::ALL {
        let mut client = nodes.listen(way).await;
        nodes.publish("kiki").await;
        client.until("kiki").await;
        nodes.publish("bouba").await;
        let seen = client.until("bouba").await.to_ascii_lowercase();
        assert!(!seen.contains("content-encoding"), "{way:?}: {seen}");
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_websocket_speaks_both_ways() {
    let nodes = Nodes::start(&["--allow-client-publish"], LONG).await;
    let mut client = nodes.listen(Way::WebSocket).await;
    client.say("kiki").await;
    client.until(r#""data":"kiki""#).await;
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_quiet_stream_outlives_the_patience_of_nginx() {
    let nodes = Nodes::start(&["--keep-alive", "1s"], SHORT).await;
    let mut clients = Vec::new();
    for way in Way::ALL {
        clients.push(nodes.listen(way).await);
    }
    let went_on = clients
        .iter_mut()
        .map(|client| client.goes_on_for(2 * SHORT));
    let went_on = join_all(went_on).await;
    assert_eq!(went_on, [true; 4]);
    nodes.publish("kiki").await;
    for client in &mut clients {
        client.until("kiki").await;
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_stream_without_signs_of_life_would_not() {
    let nodes = Nodes::start(&["--keep-alive", "0"], SHORT).await;
    nodes.listen(Way::Sse).await.end().await;
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn the_clients_of_a_killed_node_find_another() {
    let mut nodes = Nodes::start(&[], LONG).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(nodes.listen(Way::Sse).await);
    }
    let names = [0, 1, 2].map(|node: usize| format!("node {node}"));
    for (program, name) in nodes.programs.iter().zip(&names) {
        Client::post(program.address(), "", name).await;
    }
    let mut of_first = Vec::new();
    for mut client in clients {
        if client.first_of(&names).await == 0 {
            of_first.push(client);
        }
    }
    assert_eq!(of_first.len(), 2, "connections are spread");

    drop(nodes.programs.remove(0));
    for client in &mut of_first {
        client.end().await;
        let server = nodes.nginx.address();
        *client = Client::listen_since(server, Way::Sse, client.position()).await;
    }
    nodes.publish("kiki").await;
    for client in &mut of_first {
        client.until("kiki").await;
    }
}

/// A node that takes every request and dies of it; gives what it took.
async fn dying_node() -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has one");
    let (taken, requests) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = String::new();
            while !request.contains("kiki") {
                let mut bytes = [0; 4096];
                match socket.read(&mut bytes).await {
                    Ok(count @ 1..) => request += &String::from_utf8_lossy(&bytes[..count]),
                    _ => break,
                }
            }
            let _ = taken.send(request);
        }
    });
    (address, requests)
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_publication_is_sent_to_a_second_node_only_if_it_has_a_key() {
    let program = Program::start().await;
    for (key, status) in [("", " 502 "), ("Idempotency-Key: order-17\r\n", " 200 ")] {
        let (dying, mut requests) = dying_node().await;
        // Of the same address nginx makes two places.
        let nginx = Nginx::before([dying, program.address(), program.address()], LONG).await;
        let mut asked = 0;
        // Which node is asked first is up to nginx.
        let answer = loop {
            let answer = Client::post(nginx.address(), key, "kiki").await;
            asked += 1;
            if let Ok(request) = requests.try_recv() {
                assert!(
                    request.starts_with("POST /live/news HTTP/1.1\r\n"),
                    "{request}"
                );
                assert!(request.contains("X-Forwarded-Proto: http\r\n"), "{request}");
                break answer;
            }
            assert!(asked < 3, "nobody asked the node that dies");
        };
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(status), "{key:?}: {answer}");
    }
}
