//! What open streams do when their server shuts down.

mod listener;
#[cfg(feature = "tls")]
mod secure;

use axum::{Router, routing::get};
use encke::{Chunked, Comet, EventSource, Hub, Serve, Shutdown};
use futures_util::{StreamExt, stream};
use listener::{Listener, PATIENCE, Way, both_ways, open};
use std::{io::Result, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

const PATHS: [&str; 5] = [
    "/events",
    "/comet",
    "/callback",
    "/chunks",
    "/live/news?transport=sse",
];

/// Streams that say `kiki` and then nothing more.
fn app(hub: &Hub, shutdown: &Shutdown) -> Router {
    let kiki = || stream::iter(["kiki"]).chain(stream::pending());
    let shutdown = shutdown.clone();
    Router::new()
        .route("/events", get(async move || EventSource::new(kiki())))
        .route(
            "/comet",
            get(async move || Comet::new("parent.f").unwrap().string(kiki())),
        )
        .route(
            "/callback",
            get(async || {
                EventSource::with(|events| async move {
                    events.send("kiki").await?;
                    events.closed().await;
                    Ok::<_, encke::SendError>(())
                })
            }),
        )
        .route(
            "/chunks",
            get(async move || Chunked::text(kiki()).until(shutdown.begun())),
        )
        .route("/download", get(async move || Chunked::text(kiki())))
        .nest_service("/live", open(hub))
}

async fn start(way: Way, drain: Duration) -> (Hub, Shutdown, SocketAddr, JoinHandle<Result<()>>) {
    start_as(drain, |server| way.of(server)).await
}

async fn start_as(
    drain: Duration,
    configure: impl FnOnce(Serve<Router>) -> Serve<Router>,
) -> (Hub, Shutdown, SocketAddr, JoinHandle<Result<()>>) {
    let (hub, shutdown) = (Hub::default(), Shutdown::new());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = encke::serve(tcp, app(&hub, &shutdown))
        .drain_limit(drain)
        .with_shutdown(shutdown.clone());
    let server = tokio::spawn(configure(server).into_future());
    (hub, shutdown, address, server)
}

/// Opens a stream and reads what it says at first.
async fn listen(hub: &Hub, address: SocketAddr, path: &str) -> Listener {
    let mut listener = Listener::open(address, path, "").await;
    if path.starts_with("/live") {
        listener.event().await;
        hub.channel("news").unwrap().publish("kiki").await.unwrap();
    }
    listener.until("kiki").await;
    listener
}

async fn streams_of_every_kind_end_with_their_last_chunk(way: Way) {
    let (hub, shutdown, address, server) = start(way, 10 * PATIENCE).await;
    let mut streams = Vec::new();
    for path in PATHS {
        streams.push(listen(&hub, address, path).await);
    }
    way.is_taken(&hub).await;
    shutdown.begin();
    for stream in &mut streams {
        // Whatever ends the message it was in, then the last chunk.
        stream.rest().await;
    }
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

async fn a_part_is_never_passed_off_as_the_whole(way: Way) {
    let (hub, shutdown, address, server) = start(way, Duration::from_millis(50)).await;
    let mut download = listen(&hub, address, "/download").await;
    shutdown.begin();
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert!(
        !download.ends().await,
        "it was cut, and the client can tell"
    );
}

async fn what_was_published_before_is_delivered_first(way: Way) {
    let (hub, shutdown, address, _server) = start(way, 10 * PATIENCE).await;
    let mut stream = listen(&hub, address, "/live/news?transport=sse").await;
    hub.channel("news").unwrap().publish("last").await.unwrap();
    shutdown.begin();
    stream.until("data: last\n\n").await;
    assert!(stream.ends().await);
}

both_ways! {
    streams_of_every_kind_end_with_their_last_chunk,
    a_part_is_never_passed_off_as_the_whole,
    what_was_published_before_is_delivered_first,
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_http_2_they_end_whole_and_their_connection_with_a_goodbye() {
    let identity = secure::Identity::new();
    let tls = identity.server.clone();
    let (hub, shutdown, address, server) = start_as(10 * PATIENCE, |server| {
        server.head_limit(10 * PATIENCE).tls(tls)
    })
    .await;
    let spare = identity.connect(address, &["h2"]).await;
    let mut client = identity.http2(address).await;
    let mut streams = Vec::new();
    for path in PATHS {
        streams.push(client.listen(path).await);
    }
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    for stream in &mut streams {
        stream.until("kiki").await;
    }
    shutdown.begin();
    for stream in &mut streams {
        stream.rest().await;
    }
    client.end().await.expect("a goodbye");
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    drop(spare);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_http_2_a_part_is_never_passed_off_as_the_whole() {
    let identity = secure::Identity::new();
    let tls = identity.server.clone();
    let (_hub, shutdown, address, server) =
        start_as(Duration::from_millis(50), |server| server.tls(tls)).await;
    let mut client = identity.http2(address).await;
    let mut download = client.listen("/download").await;
    download.until("kiki").await;
    shutdown.begin();
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert!(download.end_unread().await.is_some(), "it was cut");
}
