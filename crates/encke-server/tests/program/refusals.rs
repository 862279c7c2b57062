//! What bad input gets; nothing of it is published.

use crate::support::{Server, Stream};

/// Publishes `last` and returns what a listener of the whole history saw before it.
fn published(server: &Server, headers: &[&str]) -> String {
    let mut stream = server.listen("/live/news?history=100", &[]);
    assert_eq!(server.publish("news", headers, b"last").status, 200);
    stream.until(r#""data":"last""#).to_owned()
}

#[test]
fn a_body_over_the_limit_is_413() {
    let server = Server::start(&[]);
    let body = vec![b'a'; (1 << 20) + 1];
    let detail = server.publish("news", &[], &body).problem(413);
    assert!(detail.contains("1048576"), "{detail}");
    assert!(!published(&server, &[]).contains("aaaa"));
    assert_eq!(
        server.publish("news", &[], &body[1..]).status,
        200,
        "exactly the limit is taken"
    );
}

#[test]
fn a_chunked_body_over_the_limit_is_413_as_well() {
    let server = Server::start(&[]);
    let mut stream = Stream::connect(server.address);
    let head = server.head(
        "POST /live/news",
        &["Transfer-Encoding: chunked", "Connection: close"],
    );
    stream.send(format!("{head}\r\n100001\r\n").as_bytes());
    stream.send(&vec![b'a'; 0x10_0001]);
    stream.send(b"\r\n0\r\n\r\n");
    assert!(stream.rest().starts_with("HTTP/1.1 413 "));
    assert!(!published(&server, &[]).contains("aaaa"));
}

#[test]
fn without_the_token_publishing_is_401() {
    let server = Server::start(&["--publish-token", "s3cret"]);
    for headers in [
        &[][..],
        &["Authorization: Bearer wrong"],
        &["Authorization: Basic s3cret"],
    ] {
        let answer = server.publish("news", headers, b"forbidden");
        assert!(answer.problem(401).contains("token"));
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|value| value.starts_with("Bearer"))
        );
    }
    assert!(!published(&server, &["Authorization: Bearer s3cret"]).contains("forbidden"));
}

#[test]
fn a_page_of_another_origin_may_not_publish() {
    let server = Server::start(&[]);
    for headers in [
        &["Origin: http://evil.example"][..],
        &["Origin: null"],
        &["Sec-Fetch-Site: cross-site"],
        &["Sec-Fetch-Site: same-site"],
    ] {
        server.publish("news", headers, b"forbidden").problem(403);
    }
    let own = format!("Origin: {}", server.url());
    assert!(!published(&server, &[&own, "Sec-Fetch-Site: same-origin"]).contains("forbidden"));
}

#[test]
fn a_page_of_an_allowed_origin_publishes_with_the_token_only() {
    let origin = "Origin: https://app.example";
    let token = "Authorization: Bearer s3cret";
    let allow = ["--allow-origin", "https://app.example"];

    let server = Server::start(&allow);
    let detail = server
        .publish(
            "news",
            &[origin, "Sec-Fetch-Site: cross-site"],
            b"forbidden",
        )
        .problem(403);
    assert!(detail.contains("--publish-token"), "{detail}");
    assert!(!published(&server, &[]).contains("forbidden"));

    let server = Server::start(&[&allow[..], &["--publish-token", "s3cret"]].concat());
    server.publish("news", &[origin], b"forbidden").problem(401);
    let answer = server.publish(
        "news",
        &[origin, token, "Sec-Fetch-Site: cross-site"],
        b"welcome",
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert!(!published(&server, &[token]).contains("forbidden"));
}

#[test]
fn an_unknown_host_is_421_everywhere_and_learns_how_to_be_known() {
    let server = Server::start(&[]);
    for line in [
        "GET /",
        "GET /demo/page.js",
        "GET /live/news",
        "POST /live/news",
        "GET /nowhere",
        "OPTIONS /live/news",
    ] {
        let detail = server
            .ask(line, &["Host: evil.example:9000"], b"")
            .problem(421);
        assert!(detail.contains("--host evil.example"), "{detail}");
    }
    assert_eq!(server.ask("GET /", &["Host: localhost"], b"").status, 200);

    let server = Server::start(&["--host", "push.example"]);
    assert_eq!(
        server.ask("GET /", &["Host: push.example:443"], b"").status,
        200
    );
    server
        .ask("GET /", &["Host: evil.example"], b"")
        .problem(421);
}

#[test]
fn json_that_is_none_is_400_with_line_and_column() {
    let server = Server::start(&[]);
    let json = "Content-Type: application/json";
    let detail = server
        .publish("news", &[json], b"{\"a\": 1,\n \"b\": forbidden}")
        .problem(400);
    assert!(
        detail.contains("line 2") && detail.contains("column"),
        "{detail}"
    );
    server.publish("news", &[json], b"").problem(400);
    server.publish("news", &[json], b"\"\xff\"").problem(400);
    assert!(!published(&server, &[]).contains("forbidden"));
}

#[test]
fn other_types_are_415() {
    let server = Server::start(&[]);
    for content_type in [
        "image/png",
        "text/html",
        "multipart/form-data; boundary=x",
        "nonsense",
    ] {
        let header = format!("Content-Type: {content_type}");
        server
            .publish("news", &[&header], b"forbidden")
            .problem(415);
    }
    assert!(!published(&server, &[]).contains("forbidden"));
}

#[test]
fn bad_channels_are_400() {
    let server = Server::start(&[]);
    let long = "a".repeat(256);
    for channel in ["", "%00", "a%0Ab", "%ff", long.as_str()] {
        for method in ["GET", "POST"] {
            server
                .ask(&format!("{method} /live/{channel}"), &[], b"x")
                .problem(400);
        }
    }
    let many = (0..129)
        .map(|i| format!("channel=c{i}"))
        .collect::<Vec<_>>()
        .join("&");
    let detail = server
        .ask(&format!("GET /live?{many}"), &[], b"")
        .problem(400);
    assert!(detail.contains("128"), "{detail}");
}

#[test]
fn bad_callbacks_are_400_naming_the_parameter() {
    let server = Server::start(&[]);
    for callback in [
        "%3C/script%3E",
        "a-b",
        "a..b",
        "1a",
        "eval(x)",
        "",
        "eval",
        "parent.eval",
    ] {
        let answer = server.ask(&format!("GET /live/news?callback={callback}"), &[], b"");
        assert!(answer.problem(400).contains("callback"), "{answer:?}");
        assert!(!answer.body.contains("</script>"), "{answer:?}");
    }
}

#[test]
fn a_position_that_cannot_be_read_is_400_in_the_url_and_a_gap_in_the_header() {
    let server = Server::start(&[]);
    server
        .ask("GET /live/news?since=%21%21", &[], b"")
        .problem(400);
    let headers = ["Accept: text/event-stream", "Last-Event-ID: !!"];
    server.listen("/live/news", &headers).until("event: gap");
}

#[test]
fn other_paths_and_methods_are_told_where_things_are() {
    let server = Server::start(&[]);
    assert!(
        server
            .ask("GET /nowhere", &[], b"")
            .problem(404)
            .contains("/live/")
    );
    assert_eq!(
        server.ask("POST /", &[], b"x").header("allow"),
        Some("GET, HEAD")
    );
    assert_eq!(server.ask("DELETE /live/news", &[], b"").status, 405);
}
