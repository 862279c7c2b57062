//! Which brokers are taken at the start, and what is said about the others.

use crate::reader::Reader;
use encke::{ConnectError, Hub};
use encke_tests::{Nats, NatsCluster, Redis};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What is said of a broker that is not taken, in one line that holds no password.
async fn refusal(url: &str) -> (ConnectError, String) {
    let Err(error) = Hub::connect(url).await else {
        panic!("{url} was taken");
    };
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(!line.contains("secret"), "{line}");
    (error, line)
}

/// That a hub over this broker works.
async fn works(url: &str) {
    let hub = match Hub::connect(url).await {
        Ok(hub) => hub,
        Err(error) => panic!("{error}"),
    };
    let news = hub.channel("news").unwrap();
    let mut reader = Reader::at_head(&news).await;
    news.publish("kiki").await.unwrap();
    assert_eq!(reader.text().await, "kiki");
}

#[tokio::test]
async fn a_url_that_makes_no_sense_is_refused_with_the_reason() {
    for (url, reason) in [
        ("", "scheme"),
        ("localhost:6379", "scheme"),
        ("memory:x", "nothing follows"),
        ("http://localhost", "scheme"),
        ("redis://u:secret@", "HOST:PORT"),
        ("redis://u:secret@h:x", "HOST:PORT"),
        ("redis+sentinel://h", "master"),
        ("redis://h?nonsense", "nonsense"),
        ("nats://u:secret@", "no host"),
        ("nats://u:secret@h:x", "HOST:PORT"),
        ("nats://u:secret@h/x", "OPTIONS"),
        ("nats://u:secret@h?nonsense", "nonsense"),
        ("nats://u:secret@h?replicas=9", "replicas=9"),
    ] {
        let (error, line) = refusal(url).await;
        assert!(matches!(error, ConnectError::Url { .. }), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_named() {
    for scheme in ["redis", "nats"] {
        let (error, line) = refusal(&format!("{scheme}://u:secret@127.0.0.1:1")).await;
        assert!(matches!(error, ConnectError::Unreachable { .. }), "{line}");
        let shown = format!("{scheme}://u:***@127.0.0.1:1");
        assert!(line.contains(&shown), "{line}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_password_is_needed_and_has_to_be_right() {
    let redis = Redis::builder().password("opensesame").start().await;
    works(&redis.url()).await;
    let address = redis.address();
    for url in [
        format!("redis://{address}"),
        format!("redis://:secret@{address}"),
    ] {
        let (error, line) = refusal(&url).await;
        assert!(matches!(error, ConnectError::Denied { .. }), "{line}");
    }
}

/// What an ACL user needs, as docs/brokers.md has it.
const RULES: &str = "~encke:* &encke:* -@all +@connection +info +role +eval +evalsha +hmget +hset \
                     +hdel +hgetall +pexpire +del +xadd +xlen +xrange +xdel +get +set +time +publish \
                     +subscribe +unsubscribe";

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_user_who_may_do_what_is_documented_can_be_used() {
    let redis = Redis::builder()
        .user("encke", "opensesame", RULES)
        .start()
        .await;
    works(&redis.url()).await;
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_user_who_may_not_publish_is_found_out_at_the_start() {
    let rules = RULES.replace("+xadd ", "");
    let redis = Redis::builder()
        .user("encke", "opensesame", &rules)
        .start()
        .await;
    let (error, line) = refusal(&redis.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("can't run this command"), "{line}");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn tls_takes_the_issuer_that_is_named_and_no_other() {
    let redis = Redis::builder().secure().start().await;
    let ca = redis.ca();
    works(&format!("{}?ca={}", redis.url(), ca.display())).await;
    let (error, line) = refusal(&redis.url()).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{line}");
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn a_replica_is_refused() {
    let master = Redis::start().await;
    let replica = Redis::start().await;
    let SocketAddr::V4(address) = master.address() else {
        panic!("IPv4");
    };
    let port = address.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let (error, line) = refusal(&replica.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("replica"), "{line}");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_the_version_it_takes() {
    // Nothing as old is packaged any more: it says what such a server says.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4_096];
            while let Ok(length @ 1..) = socket.read(&mut asked).await {
                let asked = String::from_utf8_lossy(&asked[..length]).to_ascii_uppercase();
                let mut answer = String::new();
                for command in asked.split('*').skip(1) {
                    answer += match command {
                        _ if command.contains("HELLO") => "%1\r\n+server\r\n+redis\r\n",
                        _ if command.contains("INFO\r\n$6") => {
                            "$21\r\nredis_version:5.0.14\r\n\r\n"
                        }
                        _ if command.contains("INFO") => "$0\r\n\r\n",
                        _ => "+OK\r\n",
                    };
                }
                let answer = answer.replace("$21", "$22");
                if socket.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    let (error, line) = refusal(&format!("redis://{address}")).await;
    server.abort();
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("5.0.14") && line.contains("6.2"), "{line}");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_nats_lets_in_its_user_or_who_has_its_token() {
    let with_user = Nats::builder().user("encke", "opensesame").start().await;
    let with_token = Nats::builder().token("opensesame").start().await;
    for nats in [with_user, with_token] {
        works(&nats.url()).await;
        let address = nats.address();
        for login in ["", "encke:secret@", "secret@"] {
            let (error, line) = refusal(&format!("nats://{login}{address}")).await;
            assert!(matches!(error, ConnectError::Denied { .. }), "{line}");
            assert!(line.contains(&address.to_string()), "{line}");
        }
    }
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_nats_with_tls_is_trusted_by_the_issuer_that_is_named() {
    let nats = Nats::builder().secure().start().await;
    works(&format!("{}?ca={}", nats.url(), nats.ca().display())).await;
    let (error, line) = refusal(&nats.url()).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{line}");
    let (error, line) = refusal(&format!("{}?ca=/nowhere", nats.url())).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{line}");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_nats_without_jetstream_is_refused() {
    let nats = Nats::builder().without_jetstream().start().await;
    let (error, line) = refusal(&nats.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("JetStream is not enabled"), "{line}");
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn a_stream_that_is_not_as_it_has_to_be_is_refused_with_the_setting() {
    let nats = Nats::start().await;
    works(&nats.url()).await;
    let (error, line) = refusal(&format!("{}?storage=memory", nats.url())).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("storage is"), "{line}");
    let republish = r#""republish": {"src": "S.p.>", "dest": "S.a.>"}"#;
    for (setting, named) in [
        (r#""max_age": 0"#, "republish"),
        (&format!(r#"{republish}, "max_msgs": 100"#), "max_msgs"),
        (&format!(r#"{republish}, "max_bytes": 9000"#), "max_bytes"),
        (&format!(r#"{republish}, "discard": "new""#), "discard"),
        (
            &format!(r#"{republish}, "retention": "interest""#),
            "retention",
        ),
    ] {
        let stream = format!(r#"{{"name": "S", "subjects": ["S.p.>"], {setting}}}"#);
        let made = nats.request("$JS.API.STREAM.CREATE.S", &stream).await;
        assert!(!made.contains("\"error\""), "{made}");
        let (error, line) = refusal(&format!("{}?stream=S", nats.url())).await;
        assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
        assert!(line.contains("stream S") && line.contains(named), "{line}");
        nats.request("$JS.API.STREAM.DELETE.S", "").await;
    }
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn more_replicas_than_there_are_servers_are_refused() {
    let nats = Nats::start().await;
    let (error, line) = refusal(&format!("{}?replicas=3", nats.url())).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("replicas"), "{line}");
}

#[tokio::test]
#[ignore = "needs nats-server before 2.9.21: cargo xtask test, where that is installed"]
async fn before_nats_2_9_21_replicas_are_refused_with_the_version_it_takes() {
    assert!(NatsCluster::replicas().is_none(), "one that is older");
    let nats = Nats::start().await;
    let (error, line) = refusal(&format!("{}?replicas=3", nats.url())).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("2.9.21"), "{line}");
    // Somebody has given the stream replicas.
    let cluster = NatsCluster::start().await;
    works(&cluster.url()).await;
    let nats = &cluster.servers()[0];
    let info = nats.request("$JS.API.STREAM.INFO.ENCKE", "").await;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let mut config = info["config"].clone();
    config["num_replicas"] = 3.into();
    let updated = nats
        .request("$JS.API.STREAM.UPDATE.ENCKE", &config.to_string())
        .await;
    assert!(!updated.contains("\"error\""), "{updated}");
    let (error, line) = refusal(&cluster.url()).await;
    assert!(matches!(error, ConnectError::Unfit { .. }), "{line}");
    assert!(line.contains("2.9.21"), "{line}");
}
