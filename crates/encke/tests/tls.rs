//! TLS, and the two versions of HTTP over it.
#![cfg(feature = "tls")]

mod listener;
mod secure;

use axum::{Router, routing::get};
use encke::{Hub, Serve};
use listener::{PATIENCE, open};
use secure::Identity;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const SOON: Duration = Duration::from_millis(100);

fn app(hub: &Hub) -> Router {
    let hop_by_hop = [
        ("connection", "keep-alive, x-hop"),
        ("keep-alive", "timeout=5"),
        ("x-hop", "1"),
    ];
    Router::new()
        .route("/", get(async || "kiki"))
        .route("/hop", get(async move || (hop_by_hop, "kiki")))
        .nest_service("/live", open(hub))
}

async fn start(
    hub: &Hub,
    identity: &Identity,
    configure: impl FnOnce(Serve<Router>) -> Serve<Router>,
) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = encke::serve(tcp, app(hub)).tls(identity.server.clone());
    tokio::spawn(configure(server).into_future());
    address
}

async fn is_closed(socket: &mut (impl AsyncReadExt + Unpin)) {
    let mut rest = Vec::new();
    // A reset closes it as well.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut rest))
        .await
        .expect("the server closes");
}

#[tokio::test]
async fn one_connection_carries_many_streams() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut client = identity.http2(address).await;
    let mut streams = Vec::new();
    for number in 0..100 {
        let path = format!("/live/news{}?transport=sse", number % 2);
        streams.push(client.listen(&path).await);
    }
    assert_eq!(hub.stats().sessions, 100);
    for message in ["kiki", "foo"] {
        for channel in ["news0", "news1"] {
            let text = format!("{message} of {channel}");
            hub.channel(channel).unwrap().publish(text).await.unwrap();
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            stream
                .until(&format!("data: {message} of news{}\n\n", number % 2))
                .await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_its_client_leaves_is_gone_and_the_others_go_on() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut client = identity.http2(address).await;
    let left = client.listen("/live/news?transport=sse").await;
    let mut stays = client.listen("/live/news?transport=sse").await;
    drop(left);
    while hub.stats().sessions == 2 {
        client.ask("GET", "/").await;
    }
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    stays.until("kiki").await;
}

#[tokio::test]
async fn clients_that_speak_only_http_1_are_served_too() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    for alpn in [&[][..], &["http/1.1"]] {
        let mut socket = identity.connect(address, alpn).await;
        let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("kiki"), "{answer}");
    }
}

#[tokio::test]
async fn the_configurations_own_protocols_are_kept() {
    let (hub, mut identity) = (Hub::default(), Identity::new());
    identity.server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let address = start(&hub, &identity, |server| server).await;
    let socket = identity.connect(address, &["h2", "http/1.1"]).await;
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_disturbs_nobody() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    is_closed(&mut plain).await;
    let answer = identity.http2(address).await.ask("GET", "/").await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn whoever_says_nothing_is_cut_at_the_head_limit() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server.head_limit(SOON)).await;
    is_closed(&mut TcpStream::connect(address).await.unwrap()).await;
    is_closed(&mut identity.connect(address, &["h2"]).await).await;
    is_closed(&mut identity.connect(address, &["http/1.1"]).await).await;
}

#[tokio::test]
async fn a_connection_without_streams_is_closed_and_one_with_a_quiet_stream_is_not() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server.head_limit(SOON)).await;
    let mut quiet = identity.http2(address).await;
    let mut stream = quiet.listen("/live/news?transport=sse").await;
    let mut idle = identity.http2(address).await;
    idle.ask("GET", "/").await;
    idle.end().await.expect("a goodbye");
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    stream.until("kiki").await;
}

#[tokio::test]
async fn headers_of_one_connection_are_not_sent() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut client = identity.http2(address).await;
    for path in [
        "/hop",
        "/live/news?transport=sse",
        "/live/news?callback=parent.f",
    ] {
        let response = client.ask("GET", path).await;
        assert_eq!(response.status(), 200, "{path}");
        for header in ["connection", "keep-alive", "transfer-encoding", "x-hop"] {
            assert!(!response.headers().contains_key(header), "{path}: {header}");
        }
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    // axum would leave out the body itself.
    let body = tower::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(encke::Body::full("kiki")))
    });
    let server = encke::serve(tcp, body).tls(identity.server.clone());
    tokio::spawn(server.into_future());
    let response = identity.http2(address).await.ask("HEAD", "/").await;
    assert_eq!(response.headers()["content-length"], "4");
    assert!(response.into_body().is_end_stream());
    drop(hub);
}

#[tokio::test]
async fn sockets_over_http_2_are_announced() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut client = identity.http2(address).await;
    client.ask("GET", "/").await;
    assert!(client.sender.is_extended_connect_protocol_enabled());
}

#[tokio::test]
async fn a_page_without_tls_is_of_another_origin() {
    let (hub, identity) = (Hub::default(), Identity::new());
    let address = start(&hub, &identity, |server| server).await;
    let mut client = identity.http2(address).await;
    for (origin, status) in [("https://localhost", 200), ("http://localhost", 403)] {
        let request = http::Request::post("https://localhost/live/news")
            .header("origin", origin)
            .body(())
            .unwrap();
        assert_eq!(client.send(request).await.status(), status, "{origin}");
    }
}
