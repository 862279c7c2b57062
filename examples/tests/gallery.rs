//! The gallery's URLs, which stay as they are, and what they say to bad parameters.

#[allow(dead_code)]
#[path = "../gallery.rs"]
mod gallery;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The head and the raw body of a response.
async fn get(path_and_query: &str) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    tokio::spawn(axum::serve(listener, gallery::app()).into_future());
    let request =
        format!("GET {path_and_query} HTTP/1.1\r\nhost: encke\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn percent_encoded(json: &str) -> String {
    form_urlencoded::byte_serialize(json.as_bytes()).collect()
}

#[tokio::test]
async fn index_links_to_every_response_type() {
    let (head, body) = get("/").await;
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    for link in ["/chunked?item=", "/comet?callback=", "/sse?event="] {
        assert!(body.contains(link), "{body}");
    }
}

#[tokio::test]
async fn chunked_sends_its_items() {
    let (head, body) = get("/chunked?item=kiki&item=&item=foo%20bar").await;
    assert!(
        head.contains("content-type: text/plain; charset=utf-8"),
        "{head}"
    );
    assert_eq!(body, "4\r\nkiki\r\n7\r\nfoo bar\r\n0\r\n\r\n");
}

#[tokio::test]
async fn chunked_sends_the_type_it_is_told() {
    let (head, body) = get("/chunked?type=text/html&item=%3Cb%3Ekiki%3C/b%3E").await;
    assert!(head.contains("content-type: text/html\r\n"), "{head}");
    assert_eq!(body, "B\r\n<b>kiki</b>\r\n0\r\n\r\n");
}

#[tokio::test]
async fn comet_sends_strings_and_json_in_the_order_of_the_query() {
    let json = percent_encoded(r#"{ "a": 1.00, "__proto__": "</script>" }"#);
    let (head, body) = get(&format!(
        "/comet?string=kiki&callback=parent.cometMessage&json={json}&string=foo&prelude=none"
    ))
    .await;
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    assert!(head.contains("x-frame-options: SAMEORIGIN"), "{head}");
    let scripts: Vec<&str> = body
        .split("\r\n")
        .filter(|line| line.starts_with('<'))
        .collect();
    assert_eq!(
        scripts,
        [
            "<script>parent.cometMessage('kiki');</script>",
            r#"<script>parent.cometMessage({"a":1.00,["__proto__"]:"\u003c/script\u003e"});</script>"#,
            "<script>parent.cometMessage('foo');</script>",
        ]
    );
}

#[tokio::test]
async fn comet_starts_with_the_prelude_it_is_told() {
    let padding = " ".repeat(5120);
    let prelude = async |choice| {
        let (_, body) = get(&format!("/comet?callback=a&string=kiki{choice}")).await;
        let (_, chunk) = body.split_once("\r\n").unwrap();
        chunk.split_once("\r\n").unwrap().0.to_owned()
    };
    assert_eq!(
        prelude("&prelude=play").await,
        format!("{padding}<html><body>")
    );
    assert_eq!(
        prelude("&prelude=none").await,
        "<script>a('kiki');</script>"
    );
    let default = prelude("&prelude=default").await;
    assert_eq!(prelude("").await, default);
    assert!(
        default.starts_with(&format!("{padding}<script>")),
        "{default}"
    );
    assert!(default.ends_with("</script><html><body>"), "{default}");
}

#[tokio::test]
async fn comet_scripts_carry_the_nonce_of_their_policy() {
    let (head, body) = get("/comet?callback=a&string=kiki&nonce=abc").await;
    assert!(
        head.contains("content-security-policy: script-src 'nonce-abc'"),
        "{head}"
    );
    assert_eq!(body.matches("<script").count(), 2);
    assert_eq!(body.matches("<script nonce=\"abc\">").count(), 2);
}

#[tokio::test]
async fn sse_sends_its_events() {
    let first =
        percent_encoded(r#"{"data":"a\r\nb","id":"7","event":"news","retry":500,"comment":"foo"}"#);
    let second = percent_encoded(r#"{"data":{"kiki":1.00}}"#);
    let (head, body) = get(&format!("/sse?event={first}&event={second}")).await;
    assert!(
        head.contains("content-type: text/event-stream; charset=utf-8"),
        "{head}"
    );
    let first = "event: news\nid: 7\nretry: 500\ndata: a\ndata: b\n: foo\n\n";
    let second = "data: {\"kiki\":1.00}\n\n";
    let (first_size, second_size) = (first.len(), second.len());
    assert_eq!(
        body,
        format!("{first_size:X}\r\n{first}\r\n{second_size:X}\r\n{second}\r\n0\r\n\r\n")
    );
}

#[tokio::test(start_paused = true)]
async fn delayed_items_are_kept_alive_for() {
    let json = percent_encoded(r#"{"data":"kiki"}"#);
    let (_, body) = get(&format!("/sse?event={json}&delay=250&keep_alive=100")).await;
    assert_eq!(
        body,
        "4\r\n: \n\n\r\n4\r\n: \n\n\r\nC\r\ndata: kiki\n\n\r\n0\r\n\r\n"
    );

    let (_, body) =
        get("/comet?callback=a&string=kiki&prelude=none&delay=150&keep_alive=100").await;
    assert_eq!(
        body,
        "11\r\n<script></script>\r\n1B\r\n<script>a('kiki');</script>\r\n0\r\n\r\n"
    );
}

#[tokio::test]
async fn bad_parameters_are_named_and_never_repeated_as_markup() {
    for (path, parameter, value) in [
        ("/comet?string=kiki&", "callback", "</script>"),
        ("/comet?string=kiki&", "callback", "a-b"),
        ("/comet?string=kiki&", "callback", "a..b"),
        ("/comet?string=kiki&", "callback", "1a"),
        ("/comet?string=kiki&", "callback", "eval(x)"),
        ("/comet?string=kiki&", "callback", "new"),
        ("/comet?string=kiki&", "callback", ""),
        ("/comet?callback=a&", "nonce", "\""),
        ("/comet?callback=a&", "nonce", ">"),
        ("/comet?callback=a&", "nonce", "a b"),
        ("/comet?callback=a&", "nonce", ""),
        ("/comet?callback=a&", "prelude", "<b>"),
        ("/comet?callback=a&", "delay", "-1"),
        ("/comet?callback=a&", "keep_alive", "soon"),
        ("/chunked?item=kiki&", "type", "a\r\nset-cookie: b"),
        ("/sse?", "event", r#"{"<b>":1}"#),
        ("/sse?", "event", r#"{"id":"a\nb"}"#),
        ("/sse?", "event", r#"{"event":"a\rb"}"#),
        ("/sse?", "delay", "<i>"),
    ] {
        let (head, body) = get(&format!("{path}{parameter}={}", percent_encoded(value))).await;
        assert!(
            head.starts_with("HTTP/1.1 400 "),
            "{parameter}={value}: {head}"
        );
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
        assert!(
            body.contains(&format!("\"detail\":\"parameter {parameter}: ")),
            "{body}"
        );
        assert!(!body.trim_end().contains(['<', '>', '\r', '\n']), "{body}");
    }
    let (head, body) = get("/comet?string=kiki").await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(body.contains("parameter callback: missing"), "{body}");
}

#[tokio::test]
async fn bad_json_is_told_with_line_and_column() {
    let json = percent_encoded("{\n  \"a\": tru }");
    for url in [
        format!("/comet?callback=a&json={json}"),
        format!("/sse?event={json}"),
    ] {
        let (head, body) = get(&url).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert!(body.contains("line 2 column "), "{body}");
    }
}
