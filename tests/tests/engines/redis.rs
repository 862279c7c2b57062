//! One Redis.

use std::fs;
use std::path::Path;
use std::time::Duration;

use encke_tests::Redis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What it answers to a line of text, where its clients are.
async fn answer(redis: &Redis, line: &str) -> String {
    let mut stream = TcpStream::connect(redis.address())
        .await
        .expect("it listens");
    stream.write_all(line.as_bytes()).await.expect("it reads");
    stream.write_all(b"\r\nQUIT\r\n").await.expect("it reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("it answers");
    answer
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn forgets_what_it_was_not_told_to_keep() {
    let mut redis = Redis::start().await;
    let address = redis.address();
    assert_eq!(redis.url(), format!("redis://{address}"));
    assert_eq!(redis.command(&["SET", "a", "1"]).await, "OK");
    assert_eq!(answer(&redis, "GET a").await, "$1\r\n1\r\n+OK\r\n");

    redis.kill().await;
    assert!(TcpStream::connect(address).await.is_err());
    redis.restart().await;
    assert_eq!(redis.address(), address);
    assert_eq!(redis.command(&["GET", "a"]).await, "(nil)");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn keeps_what_it_was_told_to_until_it_restarts_without() {
    let mut redis = Redis::builder().with_data().start().await;
    redis.command(&["XADD", "a", "1-0", "field", "value"]).await;
    redis.restart().await;
    let range = redis.command(&["XRANGE", "a", "-", "+"]).await;
    assert_eq!(range, "1-0\nfield\nvalue");
    redis.restart_without_data().await;
    assert_eq!(redis.command(&["EXISTS", "a"]).await, "0");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn says_nothing_while_it_is_paused_and_all_of_it_then() {
    let mut redis = Redis::start().await;
    redis.pause();
    let silent = timeout(Duration::from_millis(50), answer(&redis, "PING")).await;
    assert!(silent.is_err());
    redis.resume();
    assert_eq!(answer(&redis, "PING").await, "+PONG\r\n+OK\r\n");

    redis.pause();
    redis.restart().await;
    assert_eq!(answer(&redis, "PING").await, "+PONG\r\n+OK\r\n");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn is_gone_when_it_is_dropped_while_paused() {
    let mut redis = Redis::start().await;
    let address = redis.address();
    redis.pause();
    drop(redis);
    let gone = async { while TcpStream::connect(address).await.is_ok() {} };
    let gone = timeout(Duration::from_secs(10), gone).await;
    gone.expect("nobody listens there any more");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn counts_the_calls_of_each_command() {
    let redis = Redis::start().await;
    let script = "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])";
    assert_eq!(redis.command(&["EVAL", script, "1", "a"]).await, "2");
    assert_eq!(redis.calls("eval").await, 1);
    assert_eq!(redis.calls("incr").await, 2);
    redis.forget_calls().await;
    assert_eq!(redis.calls("incr").await, 0);
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn wants_the_password_it_was_given() {
    let redis = Redis::builder().password("p@ss word").start().await;
    let address = redis.address();
    assert_eq!(redis.url(), format!("redis://:p%40ss%20word@{address}"));
    assert!(answer(&redis, "PING").await.starts_with("-NOAUTH"));
    let answered = answer(&redis, "AUTH \"p@ss word\"").await;
    assert_eq!(answered, "+OK\r\n+OK\r\n");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn lets_its_user_do_what_the_rules_say() {
    let builder = Redis::builder().user("encke", "secret", "~news:* &news:* +set");
    let redis = builder.start().await;
    let address = redis.address();
    assert_eq!(redis.url(), format!("redis://encke:secret@{address}"));
    assert!(answer(&redis, "PING").await.starts_with("-NOAUTH"));
    let lines = "AUTH encke secret\r\nSET news:a 1\r\nSET a 1\r\nGET news:a";
    let answered = answer(&redis, lines).await;
    let answered: Vec<&str> = answered.lines().collect();
    assert_eq!(answered[..2], ["+OK", "+OK"]);
    assert!(answered[2].starts_with("-NOPERM"), "{answered:?}");
    assert!(answered[3].starts_with("-NOPERM"), "{answered:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn speaks_tls_to_who_trusts_its_authority() {
    let mut redis = Redis::builder().secure().start().await;
    let address = redis.address();
    assert_eq!(redis.url(), format!("rediss://{address}"));
    redis.restart().await;
    assert_eq!(ping_over_tls(&redis, &redis.ca()).await, "PONG");
    let stranger = Redis::builder().secure().start().await;
    assert!(
        ping_over_tls(&redis, &stranger.ca())
            .await
            .contains("certificate")
    );
}

async fn ping_over_tls(redis: &Redis, ca: &Path) -> String {
    assert!(fs::exists(ca).expect("a path that can be looked at"));
    let output = tokio::process::Command::new("redis-cli")
        .args(["-u", &redis.url(), "--cacert"])
        .arg(ca)
        .arg("PING")
        .output()
        .await;
    let output = output.expect("redis-cli runs");
    let told = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    String::from_utf8_lossy(&told).trim().to_owned()
}
