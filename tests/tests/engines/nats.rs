//! NATS.

use std::time::Duration;

use encke_tests::Nats;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const STREAM: &str = r#"{"name": "news", "subjects": ["news.>"]}"#;

async fn ask(nats: &Nats, subject: &str, payload: &str) -> Value {
    let answer = nats.request(subject, payload).await;
    serde_json::from_str(&answer).expect("JetStream answers JSON")
}

/// What it says to who is connected and says `line`, up to its first answer.
async fn answer(nats: &Nats, line: &str) -> String {
    let stream = TcpStream::connect(nats.address()).await;
    let mut stream = BufReader::new(stream.expect("it listens"));
    let mut info = String::new();
    stream.read_line(&mut info).await.expect("it speaks first");
    let line = format!("CONNECT {{{line}}}\r\nPING\r\n");
    stream.write_all(line.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    for _ in 0..2 {
        stream.read_line(&mut answer).await.expect("it answers");
    }
    answer
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_stream_outlives_a_killed_server_and_is_gone_without_its_data() {
    let mut nats = Nats::start().await;
    let address = nats.address();
    assert_eq!(nats.url(), format!("nats://{address}"));
    ask(&nats, "$JS.API.STREAM.CREATE.news", STREAM).await;
    assert_eq!(ask(&nats, "news.a", "one").await["seq"], 1);

    nats.kill().await;
    assert!(TcpStream::connect(address).await.is_err());
    nats.restart().await;
    assert_eq!(nats.address(), address);
    assert_eq!(ask(&nats, "news.a", "two").await["seq"], 2);

    nats.restart_without_data().await;
    let names = ask(&nats, "$JS.API.STREAM.NAMES", "").await;
    assert_eq!(names["total"], 0);
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn says_nothing_while_it_is_paused() {
    let mut nats = Nats::start().await;
    nats.pause();
    let mut stream = TcpStream::connect(nats.address()).await.expect("a backlog");
    let mut first = [0; 4];
    let silence = Duration::from_millis(50);
    assert!(
        timeout(silence, stream.read_exact(&mut first))
            .await
            .is_err()
    );
    nats.resume();
    stream.read_exact(&mut first).await.expect("it goes on");
    assert_eq!(&first, b"INFO");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn counts_the_calls_of_its_api() {
    let nats = Nats::start().await;
    let before = nats.api_calls().await;
    ask(&nats, "$JS.API.STREAM.CREATE.news", STREAM).await;
    ask(&nats, "$JS.API.STREAM.INFO.news", "").await;
    assert_eq!(nats.api_calls().await, before + 3);
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
#[should_panic = "nobody answers on $JS.API.INFO"]
async fn has_no_jetstream_where_it_was_started_without() {
    let nats = Nats::builder().without_jetstream().start().await;
    nats.request("$JS.API.INFO", "").await;
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn wants_the_user_or_the_token_it_was_given() {
    let nats = Nats::builder().user("encke", "p@ss").start().await;
    let address = nats.address();
    assert_eq!(nats.url(), format!("nats://encke:p%40ss@{address}"));
    assert!(answer(&nats, "").await.contains("Authorization Violation"));
    let login = r#""verbose":true,"user":"encke","pass":"p@ss""#;
    assert_eq!(answer(&nats, login).await, "+OK\r\nPONG\r\n");

    let nats = Nats::builder().token("secret").start().await;
    assert_eq!(nats.url(), format!("nats://secret@{}", nats.address()));
    assert!(answer(&nats, "").await.contains("Authorization Violation"));
    let login = r#""verbose":true,"auth_token":"secret""#;
    assert_eq!(answer(&nats, login).await, "+OK\r\nPONG\r\n");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn speaks_tls_and_nothing_else_where_it_is_secure() {
    let nats = Nats::builder().secure().start().await;
    assert_eq!(nats.url(), format!("tls://{}", nats.address()));
    assert!(nats.ca().is_file());
    ask(&nats, "$JS.API.STREAM.CREATE.news", STREAM).await;
    assert_eq!(ask(&nats, "news.a", "one").await["seq"], 1);
    assert!(!answer(&nats, "").await.contains("PONG"));
}
