//! Publications that are made once, however often they are asked for.

use crate::{
    listener::publish,
    support::{Server, complaint, run},
};

#[test]
fn a_retry_with_the_same_key_gets_the_same_position() {
    let server = Server::start(&[]);
    let args = ["news", "kiki", "--idempotency-key", "order-17"];
    let first = publish(&server, &args);
    assert_eq!(publish(&server, &args), first);
    let key = "Idempotency-Key: \"order-17\"";
    let answer = server.publish("news", &[key], b"kiki").json();
    assert_eq!(answer["position"], first);
    assert_eq!(answer["offset"], 1);
    assert_ne!(publish(&server, &["news", "kiki"]), first);
}

#[test]
fn keys_that_cannot_be_sent_are_told() {
    let server = Server::start(&[]);
    let long = "k".repeat(256);
    for key in ["", "two words", "clé", "line\nbreak", &long] {
        let key = format!("--idempotency-key={key}");
        let output = run(&["pub", "--url", &server.url(), "news", "x", &key]);
        let text = complaint(&output);
        assert!(text.contains("idempotency key"), "{text}");
    }
    for headers in [
        &["Idempotency-Key:"][..],
        &["Idempotency-Key: a", "Idempotency-Key: a"],
    ] {
        server.publish("news", headers, b"x").problem(400);
    }
}
