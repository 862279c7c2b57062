//! `encke pub`, `encke sub` and curl against a running server.

use std::{io::Write, process::Stdio};

use crate::{
    listener::{Listener, publish},
    support::{Server, complaint, encke, run},
};

#[test]
fn what_pub_publishes_sub_prints() {
    let server = Server::start(&[]);
    let mut listener = Listener::start(&server, &["news/été"]);
    assert!(
        listener.item()["data"].is_null(),
        "first the position it starts from"
    );

    let position = publish(&server, &["news/été", "kiki"]);
    let item = listener.item();
    assert_eq!(item["data"], "kiki");
    assert_eq!(item["channel"], "news/été");
    assert_eq!(item["position"], position);

    publish(&server, &["news/été", "--json", r#"{"n": 1.50}"#]);
    assert_eq!(listener.item()["data"], serde_json::json!({ "n": 1.5 }));
}

#[test]
fn sub_continues_after_the_position_that_pub_printed() {
    let server = Server::start(&[]);
    let first = publish(&server, &["news", "kiki"]);
    publish(&server, &["news", "foo"]);
    let mut listener = Listener::start(&server, &["news", "--since", &first]);
    let items = [listener.item(), listener.item()];
    assert!(items.iter().any(|item| item["data"] == "foo"), "{items:?}");
    assert!(
        items
            .iter()
            .all(|item| item["data"] != "kiki" && item["gap"].is_null()),
        "{items:?}"
    );
}

#[test]
fn sub_shows_the_bytes_of_other_transports() {
    let server = Server::start(&[]);
    let since = publish(&server, &["news", "kiki"]);
    publish(&server, &["news", "foo"]);
    for (transport, line) in [("sse", "data: foo"), ("comet", "parent.cometMessage('foo'")] {
        let mut listener = Listener::start(
            &server,
            &["news", "--since", &since, "--transport", transport],
        );
        listener.until(line);
    }
}

#[test]
fn pub_takes_every_byte_of_standard_input() {
    let server = Server::start(&[]);
    let mut stream = server.listen("/live/news", &[]);
    for (input, shown) in [
        (&b"two\nlines\n"[..], r#""data":"two\nlines\n""#),
        (b"\xff\x00", r#""base64":"/wA=""#),
    ] {
        let mut child = encke(&["pub", "--url", &server.url(), "news", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        child
            .stdin
            .take()
            .expect("standard input is piped")
            .write_all(input)
            .expect("the program reads");
        assert!(child.wait().expect("the program ends").success());
        stream.until(shown);
    }
}

#[test]
fn curls_default_type_is_text_where_it_is_utf_8_else_bytes() {
    let server = Server::start(&[]);
    let mut stream = server.listen("/live/news", &[]);
    let form = "Content-Type: application/x-www-form-urlencoded";
    assert_eq!(server.publish("news", &[form], b"a=1&b=%20").status, 200);
    stream.until(r#""data":"a=1&b=%20""#);
    assert_eq!(server.publish("news", &[form], b"\xfe\xff").status, 200);
    stream.until(r#""base64":"/v8=""#);
}

#[test]
fn bytes_are_marked_as_such_on_every_transport() {
    let server = Server::start(&[]);
    let mut streams = [
        (
            server.listen("/live/news", &["Accept: text/event-stream"]),
            "event: binary\n",
        ),
        (
            server.listen("/live/news?callback=parent.cometMessage", &[]),
            "base64:true",
        ),
        (server.listen("/live/news", &[]), r#""base64":"/w==""#),
    ];
    let bytes = "Content-Type: application/octet-stream";
    assert_eq!(server.publish("news", &[bytes], b"\xff").status, 200);
    for (stream, mark) in &mut streams {
        stream.until("/w==");
        assert!(
            stream
                .seen
                .replace(' ', "")
                .contains(&mark.replace(' ', "")),
            "{}",
            stream.seen
        );
    }
}

#[test]
fn publishing_answers_with_the_position() {
    let server = Server::start(&[]);
    let answer = server.publish("news", &["Content-Type: text/plain"], b"kiki");
    assert_eq!(answer.status, 200);
    let position = answer.json();
    assert_eq!(position["channel"], "news");
    assert!(
        position["epoch"].is_string() && position["position"].is_string(),
        "{position}"
    );
    let next = server.publish("news", &[], b"foo").json();
    assert_eq!(
        next["offset"].as_u64(),
        position["offset"].as_u64().map(|offset| offset + 1)
    );
}

#[test]
fn the_token_opens_a_guarded_server() {
    let server = Server::start(&["--publish-token", "s3cret"]);
    publish(&server, &["news", "kiki", "--token", "s3cret"]);
    let output = run(&["pub", "--url", &server.url(), "news", "kiki"]);
    assert!(complaint(&output).contains("needs the publish token"));
    let output = encke(&["pub", "--url", &server.url(), "news", "kiki"])
        .env("ENCKE_TOKEN", "s3cret")
        .output();
    assert!(output.expect("the program starts").status.success());
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let server = Server::start(&[]);
    let output = run(&["pub", "--url", &server.url(), "--json", "news", "{"]);
    let text = complaint(&output);
    assert!(text.contains("400") && text.contains("line 1"), "{text}");
    let output = run(&["sub", "--url", &server.url(), "news", "--since", "!!"]);
    assert!(complaint(&output).contains("400"));
}

#[test]
fn a_large_publication_is_refused_with_the_limit() {
    let server = Server::start(&[]);
    let mut child = encke(&["pub", "--url", &server.url(), "news", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let input = vec![b'a'; 8 << 20];
    child
        .stdin
        .take()
        .expect("standard input is piped")
        .write_all(&input)
        .expect("the program reads");
    let text = complaint(&child.wait_with_output().expect("the program ends"));
    assert!(text.contains("413"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_told_in_one_line() {
    for args in [&["pub", "news", "kiki"][..], &["sub", "news"]] {
        let output = run(&[args, &["--url", "http://127.0.0.1:1"]].concat());
        assert!(complaint(&output).contains("cannot reach http://127.0.0.1:1"));
        let output = run(&[args, &["--url", "https://127.0.0.1:1"]].concat());
        assert!(complaint(&output).contains("cannot reach https://127.0.0.1:1"));
    }
}

#[test]
fn sub_ends_quietly_when_its_reader_has_enough() {
    let server = Server::start(&[]);
    let mut child = encke(&["sub", "--url", &server.url(), "demo/clock"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn sub_ends_with_the_stream() {
    let mut server = Server::start(&[]);
    let mut listener = Listener::start(&server, &["news"]);
    listener.item();
    server.terminate();
    assert!(listener.child.wait().expect("the program ends").success());
}
