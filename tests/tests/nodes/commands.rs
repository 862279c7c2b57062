//! `encke pub` and `encke sub` at different nodes.

use encke_tests::{Process, Program, Redis};

use crate::node;

/// Publishes with `encke pub`; gives the position that it prints.
async fn publish(node: &Program, data: &str) -> String {
    let mut command = Program::command(&["pub", "--url", node.origin(), "news", data]);
    let output = command.output().await.expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let position = String::from_utf8(output.stdout).expect("a position is text");
    position.trim().to_owned()
}

fn subscribe(node: &Program, options: &[&str]) -> Process {
    let args = ["sub", "--url", node.origin(), "news"];
    Process::start(Program::command(&[&args, options].concat()))
}

#[tokio::test]
#[ignore = "needs redis-server: cargo xtask test"]
async fn what_pub_tells_one_node_sub_is_told_by_another_and_later_by_a_third() {
    let redis = Redis::start().await;
    let (a, b) = (node(&redis, &[]).await, node(&redis, &[]).await);
    let c = node(&redis, &[]).await;
    for transport in ["ndjson", "ws"] {
        let mut listening = subscribe(&b, &["--transport", transport]);
        listening.after("\"position\":").await;
        let first = publish(&a, "kiki").await;
        assert_eq!(listening.after("\"data\":").await, "\"kiki\"}");
        publish(&a, "bouba").await;
        assert_eq!(listening.after("\"data\":").await, "\"bouba\"}");
        let mut late = subscribe(&c, &["--transport", transport, "--since", &first]);
        assert_eq!(late.after("\"data\":").await, "\"bouba\"}");
    }
}
