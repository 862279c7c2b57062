//! Clients that read nothing: their sessions end, their memory is freed, and it is counted.

mod listener;

use encke::{Hub, HubConfig};
use listener::{Listener, PATIENCE, Way, both_ways, open};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep},
};

const LIMIT: Duration = Duration::from_secs(1);

/// A client with a small window that says it wants the channel and then reads no more.
async fn stalled_client(address: SocketAddr, transport: &str) -> Listener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream: TcpStream = socket.connect(address).await.unwrap();
    Listener::over(stream, &format!("/live/news?{transport}"), "").await
}

async fn wait_until(hub: &Hub, done: impl Fn(encke::Stats) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(hub.stats()) {
        assert!(Instant::now() < deadline, "{:?}", hub.stats());
        sleep(Duration::from_millis(10)).await;
    }
}

/// Publishes until nothing but a stalled client can be the reason that it is not taken.
async fn fill(hub: &Hub) {
    let news = hub.channel("news").unwrap();
    for _ in 0..64 {
        news.publish("x".repeat(256 << 10)).await.unwrap();
        sleep(Duration::from_millis(1)).await;
    }
}

async fn our_server_cuts_a_client_that_reads_nothing_while_data_waits(way: Way) {
    // The hub's own patience is longer than the test: it is the server that acts.
    let hub = Hub::new(HubConfig::default().stall_limit(10 * PATIENCE));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(
        way.of(encke::serve(tcp, open(&hub)))
            .stall_limit(LIMIT)
            .into_future(),
    );
    for transport in ["transport=sse", "transport=ndjson", "callback=parent.f"] {
        let mut stalled = stalled_client(address, transport).await;
        let mut reading = Listener::open(address, "/live/news", "").await;
        let before = hub.stats().stalled;
        let reader = tokio::spawn(async move {
            loop {
                reading.item().await;
            }
        });
        fill(&hub).await;
        wait_until(&hub, |stats| stats.sessions == 1).await;
        assert_eq!(hub.stats().stalled, before + 1, "{transport}");
        stalled.is_cut().await;
        reader.abort();
        wait_until(&hub, |stats| stats.sessions == 0).await;
    }
}

#[tokio::test]
async fn under_a_foreign_server_a_stalled_session_is_freed_at_its_deadline() {
    let hub = Hub::new(HubConfig::default().stall_limit(LIMIT));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let app = axum::Router::new().nest_service("/live", open(&hub));
    tokio::spawn(axum::serve(tcp, app).into_future());
    let stalled = stalled_client(address, "transport=sse").await;
    let held = hub.channel("news").unwrap();
    fill(&hub).await;
    wait_until(&hub, |stats| stats.stalled == 1).await;
    // Its place in the log is gone although the server still holds the connection.
    assert_eq!(hub.stats().sessions, 1);
    drop((stalled, held));
    wait_until(&hub, |stats| stats.sessions == 0).await;
    assert_eq!((hub.stats().stalled, hub.stats().gone), (1, 0));
}

/// A large publication, taken a little at a time for longer than the limit.
async fn take_slowly(address: SocketAddr, hub: &Hub, transport: &str) {
    let mut slow = stalled_client(address, transport).await;
    let large = "x".repeat(192 << 10);
    let news = hub.channel("news").unwrap();
    news.publish(large.as_str()).await.unwrap();
    let start = Instant::now();
    slow.taking(12 << 10, Duration::from_millis(60)).await;
    assert!(slow.until(&large).await.ends_with(&large), "{transport}");
    assert!(start.elapsed() > LIMIT, "{transport}");
}

/// Takes slowly from our own server and from a foreign one.
async fn take_slowly_from_both(way: Way, transport: &str) {
    let hubs = [(); 2].map(|()| Hub::new(HubConfig::default().stall_limit(LIMIT)));
    let ours = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let foreign = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = [&ours, &foreign].map(|tcp| tcp.local_addr().unwrap());
    let server = way
        .of(encke::serve(ours, open(&hubs[0])))
        .stall_limit(LIMIT);
    tokio::spawn(server.into_future());
    let app = axum::Router::new().nest_service("/live", open(&hubs[1]));
    tokio::spawn(axum::serve(foreign, app).into_future());
    tokio::join!(
        take_slowly(addresses[0], &hubs[0], transport),
        take_slowly(addresses[1], &hubs[1], transport),
    );
    assert_eq!(hubs.map(|hub| hub.stats().stalled), [0, 0], "{transport}");
}

async fn a_client_that_reads_slowly_is_not_stalled(way: Way) {
    tokio::join!(
        take_slowly_from_both(way, "transport=sse"),
        take_slowly_from_both(way, "transport=ndjson"),
        take_slowly_from_both(way, "callback=parent.f"),
    );
}

#[tokio::test]
async fn a_request_that_is_never_finished_is_cut() {
    let hub = Hub::default();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(
        encke::serve(tcp, open(&hub))
            .head_limit(LIMIT / 10)
            .into_future(),
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET /live/news HTTP/1.1\r\nho")
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer)
        .await
        .unwrap();
}

async fn a_graceful_shutdown_ends_open_streams_and_waits_for_no_idle_connection(way: Way) {
    let hub = Hub::default();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = way
        .of(encke::serve(tcp, open(&hub)))
        .drain_limit(10 * PATIENCE)
        .head_limit(10 * PATIENCE)
        .with_graceful_shutdown(async { drop(stopped.await) });
    let server = tokio::spawn(server.into_future());
    let spare = TcpStream::connect(address).await.unwrap();
    let mut stream = Listener::open(address, "/live/news?transport=sse", "").await;
    stream.event().await;
    hub.shutdown();
    stop.send(()).unwrap();
    assert!(stream.ends().await);
    tokio::time::timeout(PATIENCE, server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(spare);
}

async fn the_hubs_patience_ends_a_session_before_that_of_the_server_does(way: Way) {
    let hub = Hub::new(HubConfig::default().stall_limit(LIMIT));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = way.of(encke::serve(tcp, open(&hub)));
    tokio::spawn(server.stall_limit(10 * PATIENCE).into_future());
    let stalled = stalled_client(address, "transport=sse").await;
    fill(&hub).await;
    wait_until(&hub, |stats| stats.stalled == 1).await;
    drop(stalled);
    wait_until(&hub, |stats| stats.sessions == 0).await;
    assert_eq!((hub.stats().stalled, hub.stats().gone), (1, 0));
}

async fn while_one_client_stalls_the_others_see_everything(way: Way) {
    let hub = Hub::new(HubConfig::default().stall_limit(10 * PATIENCE));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = way.of(encke::serve(tcp, open(&hub)));
    tokio::spawn(server.stall_limit(LIMIT).into_future());
    let mut readers = Vec::new();
    for _ in 0..10 {
        let mut reader = Listener::open(address, "/live/news", "").await;
        reader.item().await;
        readers.push(reader);
    }
    let stalled = stalled_client(address, "transport=ndjson").await;
    way.is_taken(&hub).await;
    let news = hub.channel("news").unwrap();
    let mut offset = 0;
    while hub.stats().stalled == 0 || offset < 64 {
        offset = news.publish("x".repeat(64 << 10)).await.unwrap().offset;
        for reader in &mut readers {
            assert_eq!(reader.item().await["offset"], offset);
        }
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((hub.stats().stalled, hub.stats().gaps), (1, 0));
    wait_until(&hub, |stats| stats.sessions == readers.len()).await;
    drop(stalled);
}

both_ways! {
    while_one_client_stalls_the_others_see_everything,
    the_hubs_patience_ends_a_session_before_that_of_the_server_does,
    a_client_that_reads_slowly_is_not_stalled,
    our_server_cuts_a_client_that_reads_nothing_while_data_waits,
    a_graceful_shutdown_ends_open_streams_and_waits_for_no_idle_connection,
}
