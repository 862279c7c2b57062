//! Streams of HTTP/2 whose client reads nothing: they end, and the others of the connection do not.
#![cfg(feature = "tls")]

mod listener;
mod secure;

use axum::{Router, routing::get};
use encke::{Chunked, Hub, HubConfig};
use futures_util::stream;
use listener::{PATIENCE, open};
use secure::{Http2, Identity};
use std::time::Duration;
use tokio::{net::TcpListener, time::timeout};

const LIMIT: Duration = Duration::from_secs(1);

/// A hub and a server, of which the first or the second loses its patience.
async fn start(of_hub: Duration, of_server: Duration) -> (Hub, Http2) {
    start_with_window((64 << 10) - 1, of_hub, of_server).await
}

async fn start_with_window(window: u32, of_hub: Duration, of_server: Duration) -> (Hub, Http2) {
    let hub = Hub::new(HubConfig::default().stall_limit(of_hub));
    let identity = Identity::new();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let large = || Chunked::text(stream::repeat_with(|| "x".repeat(1 << 20)));
    let app = Router::new()
        .route("/endless", get(async move || large()))
        .nest_service("/live", open(&hub));
    let server = encke::serve(tcp, app)
        .stall_limit(of_server)
        .tls(identity.server.clone());
    tokio::spawn(server.into_future());
    (hub, identity.http2_with_window(address, window).await)
}

#[tokio::test]
async fn a_stalled_stream_is_reset_and_counted_and_the_others_go_on() {
    for limits in [(LIMIT, 10 * PATIENCE), (10 * PATIENCE, LIMIT)] {
        let (hub, mut client) = start(limits.0, limits.1).await;
        let mut stalled = client.listen("/live/news?transport=sse").await;
        let mut reading = client.listen("/live/news?transport=sse").await;
        let reader = tokio::spawn(async move {
            reading.until("data: kiki\n\n").await;
            reading
        });
        let news = hub.channel("news").unwrap();
        // More than the window of one stream.
        news.publish("x".repeat(256 << 10)).await.unwrap();
        let error = stalled.end_unread().await.expect("a reset");
        assert!(error.is_reset(), "{limits:?}: {error}");
        assert_eq!(
            (hub.stats().sessions, hub.stats().stalled),
            (1, 1),
            "{limits:?}"
        );
        news.publish("kiki").await.unwrap();
        timeout(PATIENCE, reader).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_applications_own_stalled_stream_is_reset_as_well() {
    let (_hub, mut client) = start(10 * PATIENCE, LIMIT).await;
    let mut stalled = client.listen("/endless").await;
    let error = stalled.end_unread().await.expect("a reset");
    assert!(error.is_reset(), "{error}");
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_not_stalled() {
    let (_hub, mut client) = start(LIMIT, LIMIT).await;
    let mut slow = client.listen("/endless").await;
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < 3 * LIMIT {
        slow.data().await.expect("no reset");
        tokio::time::sleep(LIMIT / 10).await;
    }
}

#[tokio::test]
async fn a_client_whose_socket_takes_nothing_is_cut_with_all_its_streams() {
    let (hub, mut client) = start_with_window(1 << 30, 10 * PATIENCE, LIMIT).await;
    let _streams = [
        client.listen("/endless").await,
        client.listen("/live/news?transport=sse").await,
    ];
    client.freeze();
    timeout(PATIENCE, async {
        while hub.stats().sessions > 0 {
            tokio::time::sleep(LIMIT / 100).await;
        }
    })
    .await
    .expect("the session is freed");
    assert_eq!(hub.stats().stalled, 1);
}
