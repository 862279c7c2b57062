//! NATS servers that are one JetStream.

use encke_tests::NatsCluster;
use serde_json::Value;

const STREAM: &str = r#"{"name": "news", "subjects": ["news.>"], "num_replicas": 3}"#;

/// What is answered to who asks this server.
async fn ask(cluster: &NatsCluster, server: usize, subject: &str, payload: &str) -> Value {
    let answer = cluster.servers()[server].request(subject, payload).await;
    serde_json::from_str(&answer).expect("JetStream answers JSON")
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn another_server_leads_a_stream_whose_leader_is_killed_or_paused() {
    let mut cluster = NatsCluster::start().await;
    ask(&cluster, 0, "$JS.API.STREAM.CREATE.news", STREAM).await;
    assert_eq!(ask(&cluster, 1, "news.a", "one").await["seq"], 1);

    let killed = cluster.kill_leader("news").await;
    let leader = cluster.leader_of_stream("news").await;
    assert_ne!(leader, killed);
    assert_eq!(ask(&cluster, leader, "news.a", "two").await["seq"], 2);

    cluster.server_mut(killed).restart().await;
    cluster.wait_until_ready().await;
    cluster.wait_until_replicated("news").await;
    cluster.server_mut(leader).pause();
    let next = cluster.leader_of_stream("news").await;
    assert_ne!(next, leader);
    assert_eq!(ask(&cluster, next, "news.a", "three").await["seq"], 3);

    cluster.server_mut(leader).resume();
    cluster.wait_until_replicated("news").await;
    assert_eq!(ask(&cluster, leader, "news.a", "four").await["seq"], 4);
}

#[tokio::test]
#[ignore = "needs nats-server: cargo xtask test"]
async fn clients_are_told_of_every_server() {
    let cluster = NatsCluster::start().await;
    let servers = cluster.servers().iter();
    let addresses: Vec<_> = servers.map(|nats| nats.address().to_string()).collect();
    assert_eq!(cluster.url(), format!("nats://{}", addresses.join(",")));
    let info = ask(&cluster, 0, "$JS.API.INFO", "").await;
    assert_eq!(info["streams"], 0, "nothing is left of its start");
}
