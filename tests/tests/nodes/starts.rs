//! What is said of a broker that a node cannot have.

use std::process::Stdio;
use std::time::Duration;

use encke_tests::{Process, Program, Redis};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::PATIENCE;

/// What a node says that is told to use this broker, by an option and by its environment.
async fn refusals(url: &str) -> [String; 2] {
    let mut by_option = Program::command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut by_environment = Program::command(&["serve", "--listen", "127.0.0.1:0"]);
    by_option.args(["--broker", url]);
    by_environment.env("ENCKE_BROKER", url);
    let mut lines = Vec::new();
    for mut command in [by_option, by_environment] {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = timeout(PATIENCE, command.output()).await;
        let output = ended.expect("it ends").expect("the program starts");
        assert!(
            output.stdout.is_empty(),
            "it says where it listens: {output:?}"
        );
        let line = String::from_utf8(output.stderr).expect("errors are UTF-8");
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        let setting = "encke: cannot start with this --broker (or ENCKE_BROKER): ";
        assert!(line.starts_with(setting), "{line}");
        assert!(!line.contains("secret"), "{line}");
        lines.push(line);
    }
    lines.try_into().expect("two of them")
}

/// That both say so.
async fn are_told(url: &str, reason: &str) {
    for line in refusals(url).await {
        assert!(line.contains(reason), "{line}");
    }
}

#[tokio::test]
#[ignore = "needs the program: cargo xtask test"]
async fn a_url_that_makes_no_sense_is_told() {
    are_told("redis://u:secret@", "expected HOST:PORT").await;
    are_told("redis://u:secret@127.0.0.1:many", "expected HOST:PORT").await;
    are_told("redis://u:secret@127.0.0.1?color=red", "color").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn an_engine_that_nobody_reaches_is_told() {
    let mut redis = Redis::builder().password("secret").start().await;
    let reached = format!("cannot reach the broker redis://:***@{}", redis.address());
    redis.pause();
    are_told(&redis.url(), &reached).await;
    redis.kill().await;
    are_told(&redis.url(), &reached).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn an_engine_that_lets_the_node_do_too_little_is_told() {
    let redis = Redis::builder().password("other").start().await;
    let address = redis.address();
    let denied = "lets nobody in with these credentials";
    are_told(&format!("redis://:secret@{address}"), denied).await;
    are_told(&format!("redis://{address}"), denied).await;

    let rules = "~encke:* &encke:* +@connection +info +role";
    let redis = Redis::builder()
        .user("encke", "secret", rules)
        .start()
        .await;
    are_told(&redis.url(), "permissions to run the 'evalsha' command").await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_replica_is_told() {
    let (master, replica) = (Redis::start().await, Redis::start().await);
    let port = master.address().port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    are_told(&replica.url(), "it is a replica: name its master").await;
}

#[tokio::test]
#[ignore = "needs the program: cargo xtask test"]
async fn a_node_that_waits_for_its_engine_does_not_listen_and_may_be_stopped() {
    // As a paused engine does it: the kernel connects, and nobody answers.
    let engine = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("redis://{}", engine.local_addr().expect("it is bound"));
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let args = ["serve", "--listen", &address.to_string(), "--broker", &url];
    let waiting = Process::start(Program::command(&args));
    let connected = timeout(PATIENCE, engine.accept()).await;
    let _connection = connected.expect("it connects");
    assert!(TcpStream::connect(address).await.is_err(), "it listens");
    let asked = Instant::now();
    assert_eq!(waiting.terminate().await, (Some(0), String::new()));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}
