//! Sessions under `axum::serve` with a listener of ours: with connect info they leave HTTP.

mod listener;

use axum::{Router, extract::ConnectInfo, middleware::map_request};
use encke::{Hub, Peer};
use futures_util::StreamExt;
use http::Request;
use listener::{Listener, PATIENCE, Way, open};
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

const PATHS: [&str; 3] = [
    "/live/news?transport=sse",
    "/live/news",
    "/live/news?callback=parent.f",
];

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Has axum serve the channels of a hub, and shut down gracefully.
async fn serve(hub: &Hub, way: Way) -> Server {
    let app = Router::new().nest_service("/live", open(hub));
    let listener = encke::listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let task = tokio::spawn(async move {
        let served = match way {
            Way::Detached => {
                let app = app.into_make_service_with_connect_info::<Peer>();
                axum::serve(listener, app)
                    .with_graceful_shutdown(stopped)
                    .await
            }
            Way::Connected => {
                axum::serve(listener, app)
                    .with_graceful_shutdown(stopped)
                    .await
            }
        };
        served.unwrap();
    });
    Server {
        address,
        stop,
        task,
    }
}

async fn open_socket(address: SocketAddr, channel: &str) -> WebSocketStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/live/{channel}");
    let opened = timeout(PATIENCE, client_async(url, tcp)).await.unwrap();
    opened.unwrap().0
}

async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Message {
    let heard = timeout(PATIENCE, socket.next()).await.unwrap();
    heard.unwrap().unwrap()
}

async fn publish(hub: &Hub, channel: &str, text: &str) {
    hub.channel(channel).unwrap().publish(text).await.unwrap();
}

async fn every_transport_works_until_the_hub_ends_it(way: Way) {
    let hub = Hub::default();
    let server = serve(&hub, way).await;
    let mut sessions = Vec::new();
    for path in PATHS {
        sessions.push(Listener::open(server.address, path, "").await);
    }
    let mut socket = open_socket(server.address, "news").await;
    way.is_taken(&hub).await;
    assert_eq!(hub.stats().sessions, 4);
    publish(&hub, "news", "kiki").await;
    for session in &mut sessions {
        session.until("kiki").await;
    }
    assert_eq!(hear(&mut socket).await, Message::text("kiki"));

    server.stop.send(()).unwrap();
    if way == Way::Detached {
        // It waits for no session, and they go on without the server and its listener.
        timeout(PATIENCE, server.task).await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }
    publish(&hub, "news", "foo").await;
    for session in &mut sessions {
        session.until("foo").await;
    }
    assert_eq!(hear(&mut socket).await, Message::text("foo"));

    let drained = tokio::spawn({
        let hub = hub.clone();
        async move { hub.drained().await }
    });
    publish(&hub, "news", "bar").await;
    hub.shutdown();
    for mut session in sessions {
        let rest = session.rest().await;
        assert!(rest.contains("bar"), "{rest}");
    }
    assert_eq!(hear(&mut socket).await, Message::text("bar"));
    let Message::Close(Some(close)) = hear(&mut socket).await else {
        panic!("no Close");
    };
    assert_eq!(close.code, CloseCode::Away);
    while socket.next().await.is_some() {}
    drop(socket);
    timeout(PATIENCE, drained).await.unwrap().unwrap();
    assert_eq!(hub.stats().sessions, 0);
    assert_eq!(hub.stats().shut_down, 4);
}

async fn every_session_hears_its_own_channel(way: Way) {
    let hub = Hub::default();
    let server = serve(&hub, way).await;
    let (mut sessions, mut sockets) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let path = format!("/live/{number}");
        sessions.push(Listener::open(server.address, &path, "").await);
        sockets.push(open_socket(server.address, &number.to_string()).await);
    }
    way.is_taken(&hub).await;
    for number in 0..20 {
        publish(&hub, &number.to_string(), &format!("to {number}")).await;
    }
    for (number, (session, socket)) in sessions.iter_mut().zip(&mut sockets).enumerate() {
        let text = format!("to {number}");
        session.item().await;
        assert_eq!(session.item().await["data"], *text);
        assert_eq!(hear(socket).await, Message::text(text));
    }
}

async fn what_comes_right_behind_the_handshake_is_heard(way: Way) {
    let hub = Hub::default();
    let server = serve(&hub, way).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    // A ping that says "hi", masked with zeros.
    let request = "GET /live/news HTTP/1.1\r\nhost: encke\r\nconnection: Upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}hi";
    let mut request = request.as_bytes().to_vec();
    let at = request.len() - 8;
    request[at..at + 2].copy_from_slice(&[0x89, 0x82]);
    socket.write_all(&request).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\x8a\x02hi") {
        let read = timeout(PATIENCE, socket.read_buf(&mut heard)).await;
        assert!(read.unwrap().unwrap() > 0, "{heard:?}");
    }
    way.is_taken(&hub).await;
}

listener::both_ways! {
    every_transport_works_until_the_hub_ends_it,
    every_session_hears_its_own_channel,
    what_comes_right_behind_the_handshake_is_heard,
}

#[tokio::test]
async fn the_sessions_of_one_http_2_connection_share_it() {
    let hub = Hub::default();
    let server = serve(&hub, Way::Detached).await;
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut bodies = Vec::new();
    for path in PATHS {
        let url = format!("http://{}{path}", server.address);
        let request = Request::get(url).body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let response = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        bodies.push((response.into_body(), Vec::new()));
    }
    for text in ["kiki", "foo"] {
        publish(&hub, "news", text).await;
        for (body, heard) in &mut bodies {
            while !String::from_utf8_lossy(heard).contains(text) {
                let data = timeout(PATIENCE, body.data()).await.unwrap();
                heard.extend_from_slice(&data.expect("more").unwrap());
            }
        }
    }
    assert_eq!((hub.stats().sessions, hub.stats().detached), (3, 0));
}

#[tokio::test]
async fn a_session_never_takes_the_socket_of_another() {
    let hub = Hub::default();
    let first = Arc::new(OnceLock::new());
    let app = Router::new()
        .nest_service("/live", open(&hub))
        .layer(map_request(
            move |mut request: Request<axum::body::Body>| {
                // Every request has the peer of the first.
                let peer = request.extensions().get::<ConnectInfo<Peer>>().cloned();
                let peer = first.get_or_init(|| peer.unwrap()).clone();
                request.extensions_mut().insert(peer);
                async move { request }
            },
        ));
    let listener = encke::listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(axum::serve(listener, app).into_future());

    let mut first = TcpStream::connect(address).await.unwrap();
    let request = b"HEAD /live/news HTTP/1.1\r\nhost: encke\r\n\r\n";
    first.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = timeout(PATIENCE, first.read_buf(&mut head)).await;
        assert!(read.unwrap().unwrap() > 0, "{head:?}");
    }
    // Both begin with the same bytes.
    let mut other = Listener::open(address, "/live/news", "").await;
    let mut first = Listener::over(first, "/live/news", "").await;
    for text in ["kiki", "foo"] {
        publish(&hub, "news", text).await;
        other.until(text).await;
        first.until(text).await;
    }
}
