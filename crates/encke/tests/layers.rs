//! Layers between a server and its responses: what they change stays with HTTP and is right,
//! and the other sessions leave.

mod listener;
mod wire;

use axum::{Router, body::Bytes, routing::get};
use encke::{Chunked, Comet, EventSource, Hub, Peer};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use listener::{Listener, PATIENCE, Way, open};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{client_async, tungstenite::Message};
use tower_http::{
    classify::ServerErrorsFailureClass,
    compression::CompressionLayer,
    map_response_body::MapResponseBodyLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
};
use wire::{Client, readable};

/// A session over each transport of HTTP, and streams of the application's own that say `kiki`.
const SESSIONS: [&str; 3] = [
    "/live/news?transport=sse",
    "/live/news",
    "/live/news?callback=parent.f",
];
const STREAMS: [&str; 3] = ["/events", "/comet", "/chunks"];

fn app(hub: &Hub) -> Router {
    let kiki = || stream::iter(["kiki"]).chain(stream::pending());
    Router::new()
        .route("/events", get(async move || EventSource::new(kiki())))
        .route(
            "/comet",
            get(async move || Comet::new("parent.f").unwrap().string(kiki())),
        )
        .route("/chunks", get(async move || Chunked::text(kiki())))
        .nest_service("/live", open(hub))
}

/// Who serves over a listener of ours.
#[derive(Clone, Copy)]
enum Server {
    Ours,
    Axum,
}

impl Server {
    async fn serve(self, app: Router) -> SocketAddr {
        let listener = encke::listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        match self {
            Self::Ours => tokio::spawn(encke::serve(listener, app).into_future()),
            Self::Axum => {
                let app = app.into_make_service_with_connect_info::<Peer>();
                tokio::spawn(axum::serve(listener, app).into_future())
            }
        };
        address
    }
}

/// Has each of these functions tested under both servers.
macro_rules! both_servers {
    ($($test:ident),* $(,)?) => {
        mod under_encke {
            $(#[tokio::test] async fn $test() { super::$test(super::Server::Ours).await; })*
        }
        mod under_axum {
            $(#[tokio::test] async fn $test() { super::$test(super::Server::Axum).await; })*
        }
    };
}

/// Opens every session, and expects what is published to reach it as `expected`.
async fn listen(hub: &Hub, address: SocketAddr, way: Way, expected: &str) -> Vec<Listener> {
    let mut sessions = Vec::new();
    for path in SESSIONS {
        sessions.push(Listener::open(address, path, "").await);
    }
    way.is_taken(hub).await;
    assert_eq!(hub.stats().sessions, SESSIONS.len());
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    for session in &mut sessions {
        session.until(expected).await;
    }
    sessions
}

/// Opens every stream of the application's own.
async fn stream(address: SocketAddr, expected: &str) {
    for path in STREAMS {
        Listener::open(address, path, "")
            .await
            .until(expected)
            .await;
    }
}

/// A session or stream that was asked for compressed.
async fn compressed(address: SocketAddr, path: &str) -> Client {
    let request = format!("GET {path} HTTP/1.1\r\nhost: encke\r\naccept-encoding: gzip\r\n\r\n");
    let mut client = Client::send(address, &request).await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    client.received.drain(..head.len());
    client
}

async fn until_readable(client: &mut Client, text: &str) {
    while !readable(&client.received).contains(text) {
        assert!(client.read().await > 0, "ended without {text}");
    }
}

async fn a_compressed_session_stays_and_another_leaves(server: Server) {
    let hub = Hub::default();
    let always = |_, _: http::Version, _: &http::HeaderMap, _: &http::Extensions| true;
    let layer = CompressionLayer::new().compress_when(always);
    let address = server.serve(app(&hub).layer(layer)).await;
    let mut sessions = Vec::new();
    for path in SESSIONS {
        sessions.push(compressed(address, path).await);
    }
    let news = hub.channel("news").unwrap();
    for text in ["first", "second"] {
        news.publish(text).await.unwrap();
        for session in &mut sessions {
            until_readable(session, text).await;
        }
    }
    Way::Connected.is_taken(&hub).await;
    drop(sessions);
    for path in STREAMS {
        until_readable(&mut compressed(address, path).await, "kiki").await;
    }
    while hub.stats().sessions > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listen(&hub, address, Way::Detached, "kiki").await;
    stream(address, "kiki").await;
}

async fn what_a_layer_makes_of_the_first_bytes_it_makes_of_all(server: Server) {
    let hub = Hub::default();
    let layer = MapResponseBodyLayer::new(|body: axum::body::Body| {
        axum::body::Body::new(
            body.map_frame(|frame| frame.map_data(|data| Bytes::from(data.to_ascii_uppercase()))),
        )
    });
    let address = server.serve(app(&hub).layer(layer)).await;
    listen(&hub, address, Way::Connected, "KIKI").await;
    stream(address, "KIKI").await;
}

async fn deadlines_of_requests_are_not_those_of_sessions(server: Server) {
    let hub = Hub::default();
    let limit = Duration::from_millis(50);
    let app = app(&hub)
        .layer(TimeoutLayer::with_status_code(
            http::StatusCode::REQUEST_TIMEOUT,
            limit,
        ))
        .layer(RequestBodyTimeoutLayer::new(limit));
    let address = server.serve(app).await;
    let mut sessions = listen(&hub, address, Way::Detached, "kiki").await;
    tokio::time::sleep(2 * limit).await;
    hub.channel("news").unwrap().publish("foo").await.unwrap();
    for session in &mut sessions {
        session.until("foo").await;
    }
    stream(address, "kiki").await;
}

async fn a_session_that_leaves_is_no_failure_of_its_response(server: Server) {
    let hub = Hub::default();
    let (failures, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (failed, ended) = (failures.clone(), ends.clone());
    let layer = TraceLayer::new_for_http()
        .on_failure(
            move |_: ServerErrorsFailureClass, _: Duration, _: &tracing::Span| {
                failed.fetch_add(1, SeqCst);
            },
        )
        .on_eos(
            move |_: Option<&http::HeaderMap>, _: Duration, _: &tracing::Span| {
                ended.fetch_add(1, SeqCst);
            },
        );
    let address = server.serve(app(&hub).layer(layer)).await;
    listen(&hub, address, Way::Detached, "kiki").await;
    assert_eq!(ends.load(SeqCst), SESSIONS.len());
    assert_eq!(failures.load(SeqCst), 0);
    stream(address, "kiki").await;
}

async fn a_web_socket_leaves_through_them(server: Server) {
    let hub = Hub::default();
    let app = app(&hub)
        .layer(CompressionLayer::new())
        .layer(MapResponseBodyLayer::new(axum::body::Body::new))
        .layer(TraceLayer::new_for_http());
    let address = server.serve(app).await;
    let tcp = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/live/news");
    let (mut socket, _) = client_async(url, tcp).await.unwrap();
    Way::Detached.is_taken(&hub).await;
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    let heard = timeout(PATIENCE, socket.next()).await.unwrap();
    assert_eq!(heard.unwrap().unwrap(), Message::text("kiki"));
}

both_servers! {
    a_web_socket_leaves_through_them,
    a_compressed_session_stays_and_another_leaves,
    what_a_layer_makes_of_the_first_bytes_it_makes_of_all,
    deadlines_of_requests_are_not_those_of_sessions,
    a_session_that_leaves_is_no_failure_of_its_response,
}
