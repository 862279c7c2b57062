//! What a hub's URLs answer to requests that are wrong, hostile or not allowed.

mod listener;

use encke::{Action, CrossOrigin, Grant, Hub, HubConfig, Refusal};
use http::StatusCode;
use listener::{Listener, ask, ask_bytes, hub, open, serve};
use serde_json::Value;
use std::net::SocketAddr;

/// Asserts that a GET is refused as a problem, and gives its detail.
async fn refused(address: SocketAddr, status: u16, target: &str, headers: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nhost: encke\r\n{headers}\r\n");
    problem(ask(address, &request).await, status)
}

async fn refused_post(address: SocketAddr, status: u16, headers: &str, body: &[u8]) -> String {
    let length = body.len();
    let mut request = format!(
        "POST /live/news HTTP/1.1\r\nhost: encke\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    problem(ask_bytes(address, &request).await, status)
}

fn problem((status, head, body): (u16, String, String), expected: u16) -> String {
    assert_eq!(status, expected, "{head}{body}");
    assert!(
        head.contains("content-type: application/problem+json\r\n"),
        "{head}"
    );
    assert!(
        head.contains("x-content-type-options: nosniff\r\n"),
        "{head}"
    );
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["status"], expected);
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn bad_channels_are_named() {
    let (_hub, address) = hub(HubConfig::default()).await;
    let long = "a".repeat(256);
    for (target, expected) in [
        ("/live/", "no channel"),
        ("/live", "no channel"),
        ("/live?channel=", "InvalidChannel: channel name is empty"),
        (
            &*format!("/live/{long}"),
            "InvalidChannel: channel name of 256 bytes exceeds",
        ),
        (
            "/live/a%0Ab",
            "InvalidChannel: channel name has the control character '\\n' at byte 1",
        ),
        (
            "/live/a%ff",
            "InvalidChannel: channel name is not UTF-8 from byte 1 on",
        ),
        (
            "/live?channel=a%ff",
            "InvalidChannel: channel name is not UTF-8 from byte 1 on",
        ),
    ] {
        let detail = refused(address, 400, target, "").await;
        assert!(detail.starts_with(expected), "{target}: {detail}");
    }
    let many: String = (0..129).map(|n| format!("&channel={n}")).collect();
    let detail = refused(address, 400, &format!("/live?{many}"), "").await;
    assert!(detail.contains("more than 128 channels"), "{detail}");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let (_hub, address) = hub(HubConfig::default()).await;
    for (query, parameter) in [
        ("callback=", "callback"),
        ("callback=eval", "callback"),
        ("callback=parent.eval", "callback"),
        ("callback=%3C/script%3E", "callback"),
        ("callback=parent.a.b", "callback"),
        ("callback=parent.a%28x%29", "callback"),
        ("callback=parent.%ff", "callback"),
        ("transport=comet", "callback"),
        ("callback=parent.f&post=https://a.example", "post"),
        ("transport=carrier-pigeon", "transport"),
        ("since=57", "since"),
        ("since=zz:1", "since"),
        ("since=a:9007199254740992", "since"),
        ("since=a:1,b:2", "since"),
        ("since=", "since"),
        ("history=-1", "history"),
        ("envelope=maybe", "envelope"),
    ] {
        let detail = refused(address, 400, &format!("/live/news?{query}"), "").await;
        let expected = format!("parameter {parameter}: ");
        assert!(detail.starts_with(&expected), "{query}: {detail}");
    }
}

#[tokio::test]
async fn a_comet_socket_opens_nowhere_but_in_a_frame() {
    let (_hub, address) = hub(HubConfig::default()).await;
    let target = "/live/chat?callback=parent.f";
    for destination in ["document", "script", "embed", "empty"] {
        let header = format!("sec-fetch-dest: {destination}\r\n");
        let detail = refused(address, 403, target, &header).await;
        assert!(detail.contains(destination), "{detail}");
    }
    Listener::open(address, target, "sec-fetch-dest: iframe\r\n").await;
}

#[tokio::test]
async fn posts_that_cannot_be_published_say_why() {
    let (hub, address) = hub(HubConfig::default()).await;
    let json = "content-type: application/json\r\n";
    let detail = refused_post(address, 400, json, b"{\n  \"a\": }").await;
    assert!(detail.contains("line 2 column 8"), "{detail}");
    refused_post(address, 400, json, b"\"\xff\"").await;
    refused_post(address, 400, json, "[".repeat(100_000).as_bytes()).await;
    let detail = refused_post(address, 415, "content-type: image/png\r\n", b"x").await;
    assert!(detail.contains("\"image/png\""), "{detail}");
    let detail = refused_post(address, 413, "", &vec![b'x'; (1 << 20) + 1]).await;
    assert!(detail.contains("1048576"), "{detail}");
    let request = "POST /live?channel=a&channel=b HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    problem(ask(address, request).await, 400);
    let request = "PUT /live/a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let (status, head, _) = ask(address, request).await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: GET, HEAD, POST\r\n"), "{head}");
    assert_eq!(hub.stats().published, 0);
}

#[tokio::test]
async fn nobody_publishes_unless_the_application_says_so() {
    let hub = Hub::default();
    let address = serve(hub.live().prefix("/live")).await;
    Listener::open(address, "/live/news", "").await;
    refused_post(address, 403, "", b"x").await;
    assert_eq!(hub.stats().published, 0);
}

#[tokio::test]
async fn one_refused_channel_refuses_the_session_and_is_named() {
    let hub = Hub::default();
    let live = hub
        .live()
        .prefix("/live")
        .authorize(|request, action, channels| async move {
            assert_eq!(action, Action::Listen);
            assert_eq!(request.headers["cookie"], "user=kiki");
            match channels
                .iter()
                .find(|channel| channel.as_str().starts_with("staff"))
            {
                Some(staff) => Err(Refusal::channel(staff)),
                None => Ok(Grant::new()),
            }
        });
    let address = serve(live).await;
    let cookie = "cookie: user=kiki\r\n";
    Listener::open(address, "/live/news", cookie).await;
    let detail = refused(address, 403, "/live?channel=news&channel=staff/pay", cookie).await;
    assert!(detail.contains("\"staff/pay\""), "{detail}");
}

#[tokio::test]
async fn a_refusal_is_the_applications_own_response() {
    let hub = Hub::default();
    let live = hub.live().authorize(|_, _, _| async {
        let mut response = http::Response::new("log in first");
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Err::<Grant, _>(Refusal::new(response))
    });
    let address = serve(live).await;
    let (status, _, body) = ask(address, "GET /news HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((status, &*body), (401, "log in first"));
}

#[tokio::test]
async fn pages_of_other_origins_publish_nothing() {
    let (hub, address) = hub(HubConfig::default()).await;
    for headers in [
        "origin: https://evil.example\r\n",
        "origin: null\r\n",
        "origin: http://encke.evil.example\r\n",
        "origin: http://encke\r\norigin: http://encke\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "origin: http://encke\r\nsec-fetch-site: cross-site\r\n",
    ] {
        refused_post(address, 403, headers, b"x").await;
    }
    assert_eq!(hub.stats().published, 0);
    let own = "origin: http://encke\r\nsec-fetch-site: same-origin\r\n";
    listener::post(address, "news", own, b"x").await;
}

#[tokio::test]
async fn an_allowed_origin_listens_and_is_known_to_whoever_authorises() {
    let hub = Hub::default();
    let live = open(&hub)
        .authorize(|request, action, _| async move {
            let cross = request.extensions.get::<CrossOrigin>().is_some();
            match action {
                Action::Publish if cross => Err(Refusal::new(http::Response::new("token"))),
                _ => Ok(Grant::new()),
            }
        })
        .allow_origin("https://pages.example")
        .unwrap();
    let address = serve(live).await;
    let origin = "origin: https://pages.example\r\n";

    let stream = Listener::open(address, "/live/news", origin).await;
    assert_eq!(
        stream.header("access-control-allow-origin").unwrap(),
        "https://pages.example"
    );
    assert_eq!(stream.header("vary").unwrap(), "Origin");
    let other = Listener::open(address, "/live/news", "origin: https://evil.example\r\n").await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert_eq!(other.header("vary").unwrap(), "Origin");

    let mut post = Listener::open(address, "/live/news?post=https://pages.example", "").await;
    let policy = post.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'self' https://pages.example"),
        "{policy}"
    );
    post.script().await;
    assert!(
        post.script()
            .await
            .starts_with("parent.postMessage({position:'")
    );
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    let script = post.script().await;
    assert!(
        script.starts_with("parent.postMessage({data:'kiki',position:'"),
        "{script}"
    );
    assert!(
        script.ends_with("'},\"https://pages.example\");"),
        "{script}"
    );
    let detail = refused(address, 403, "/live/news?post=https://evil.example", "").await;
    assert!(detail.contains("evil.example"), "{detail}");

    let length = "content-length: 1\r\n";
    let request = format!("POST /live/news HTTP/1.1\r\nhost: encke\r\n{origin}{length}\r\nx");
    let (_, _, body) = ask(address, &request).await;
    assert_eq!(body, "token");
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins_only() {
    let hub = Hub::default();
    let address = serve(open(&hub).allow_origin("https://pages.example").unwrap()).await;
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /live/news HTTP/1.1\r\nhost: encke\r\norigin: {origin}\r\n\
             access-control-request-method: POST\r\n\r\n"
        )
    };
    let (status, head, _) = ask(address, &preflight("https://pages.example")).await;
    assert_eq!(status, 204);
    for header in [
        "access-control-allow-origin: https://pages.example\r\n",
        "access-control-allow-methods: GET, POST\r\n",
        "access-control-allow-headers: authorization, content-type, idempotency-key, last-event-id\r\n",
        "vary: Origin\r\n",
    ] {
        assert!(head.contains(header), "{head}");
    }
    let (status, head, _) = ask(address, &preflight("https://evil.example")).await;
    assert_eq!(status, 403);
    assert!(!head.contains("access-control-allow-origin"), "{head}");
}
