//! What the clients of a hub meet while its broker is away, and after.

use super::{
    Action, Grant, Refusal,
    session::{Asked, LiveSession, Member},
    socket::{Dialog, LiveSocket},
};
use crate::{
    Body, Hub, HubConfig, PublishError,
    broker::fickle::FickleBroker,
    websocket::{Driver, End},
};
use bytes::Bytes;
use encke_proto::{
    Channel, Data, Start, Transport,
    ws::{Config, KeepAlive},
};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::{BodyExt, Full};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is given up at once may take.
const MOMENT: Duration = Duration::from_millis(10);

/// "kiki" and "bouba", masked with zeros, and a Close.
const SAID: &[u8] = b"\x81\x84\0\0\0\0kiki\x81\x85\0\0\0\0bouba\x88\x80\0\0\0\0";

fn hub(patience: Duration) -> (Arc<FickleBroker>, Hub) {
    FickleBroker::with_hub(HubConfig::default().broker_patience(patience))
}

fn live(hub: &Hub) -> super::Live {
    hub.live()
        .authorize(|_, _: Action, _| async { Ok::<_, Refusal>(Grant::new()) })
}

async fn ask(hub: &Hub, request: http::request::Builder, body: &'static str) -> Response<Body> {
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    live(hub).oneshot(request).await.unwrap()
}

async fn post(hub: &Hub) -> Response<Body> {
    ask(hub, Request::post("/news"), "kiki").await
}

async fn listen(hub: &Hub, channel: &str) -> Response<Body> {
    ask(hub, Request::get(format!("/{channel}")), "").await
}

/// Asserts that a client is told to come back, and why.
async fn comes_back_later(response: Response<Body>) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds = response.headers()[RETRY_AFTER].to_str().unwrap();
    assert!((1..=5).contains(&seconds.parse::<u64>().unwrap()));
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("it was told to"), "{detail}");
}

/// The next piece of a response, as text.
async fn next(body: &mut Body) -> String {
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

/// A WebSocket on `news` whose client may publish.
async fn open_socket(hub: &Hub) -> (DuplexStream, JoinHandle<End>) {
    let asked = Asked {
        transport: Transport::WebSocket { deflated: false },
        envelope: false,
        channels: Arc::from([Channel::new("news").unwrap()]),
        starts: &[Start::Head],
    };
    let session = LiveSession::open(hub.shared().clone(), None, asked);
    let session = Member::join(session.await.unwrap());
    let config = Config {
        keep_alive: KeepAlive::Off,
        ..Config::default()
    };
    let now = Instant::now().into_std();
    let dialog = Dialog::new(Arc::new(config), None, true, now);
    let mut talk = LiveSocket::new(dialog, session);
    let (ours, theirs) = duplex(1 << 10);
    let served = tokio::spawn(async move {
        let stall_limit = talk.stall_limit();
        let end = Driver::new(ours, &mut talk, stall_limit, None).run().await;
        talk.finish().await;
        end
    });
    (theirs, served)
}

fn texts(texts: &[&str]) -> Vec<Data> {
    texts.iter().map(|text| Data::from(*text)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hub_is_ready_while_its_broker_can_be_asked() {
    let (broker, hub) = hub(PATIENCE);
    let news = hub.channel("news").unwrap();
    assert!(hub.is_ready());
    broker.go_away();
    assert!(!hub.is_ready());
    assert!(news.stats().await.is_err());
    broker.come_back();
    assert!(hub.is_ready());
    assert_eq!(news.stats().await.unwrap().position.offset, 0);
    hub.shutdown();
    assert!(!hub.is_ready());
}

#[tokio::test(start_paused = true)]
async fn without_patience_a_publisher_is_told_at_once() {
    let (broker, hub) = hub(Duration::ZERO);
    broker.go_away();
    let asked = Instant::now();
    comes_back_later(post(&hub).await).await;
    assert!(asked.elapsed() < MOMENT, "{:?}", asked.elapsed());
    let error = hub.channel("news").unwrap().publish("kiki").await;
    assert!(matches!(error, Err(PublishError::Unavailable(_))));
    broker.come_back();
    assert_eq!(broker.published("news"), []);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_no_longer_than_its_patience() {
    let (broker, hub) = hub(PATIENCE);
    broker.go_away();
    let asked = Instant::now();
    comes_back_later(post(&hub).await).await;
    let waited = asked.elapsed();
    assert!(waited >= PATIENCE && waited < PATIENCE + MOMENT);
    assert_eq!(broker.published("news"), []);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_broker_is_published_once_when_it_is_back() {
    let (broker, hub) = hub(PATIENCE);
    broker.go_away();
    let posted = tokio::spawn({
        let hub = hub.clone();
        async move { post(&hub).await.status() }
    });
    tokio::time::sleep(PATIENCE / 2).await;
    assert!(!posted.is_finished());
    broker.come_back();
    assert_eq!(posted.await.unwrap(), StatusCode::OK);
    assert_eq!(broker.published("news"), texts(&["kiki"]));
}

#[tokio::test(start_paused = true)]
async fn a_session_on_a_channel_that_is_new_here_is_told_to_come_back() {
    for patience in [Duration::ZERO, PATIENCE] {
        let (broker, hub) = hub(patience);
        broker.go_away();
        let asked = Instant::now();
        comes_back_later(listen(&hub, "news").await).await;
        let waited = asked.elapsed();
        assert!(waited >= patience && waited < patience + MOMENT);
        broker.come_back();
        assert_eq!(listen(&hub, "news").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_websocket_on_a_channel_that_is_new_here_is_told_to_come_back() {
    let (broker, hub) = hub(Duration::ZERO);
    broker.go_away();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut socket = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    tokio::spawn(crate::serve(listener, live(&hub)).into_future());
    let handshake = "GET /news HTTP/1.1\r\nhost: encke\r\nconnection: Upgrade\r\n\
                     upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                     sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(handshake.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("it was told to") {
        let mut bytes = [0; 1 << 10];
        let count = socket.read(&mut bytes).await.unwrap();
        assert!(count > 0, "{answer}");
        answer += str::from_utf8(&bytes[..count]).unwrap();
    }
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_there_stay_and_others_join_them() {
    let (broker, hub) = hub(PATIENCE);
    let mut first = listen(&hub, "news").await.into_body();
    next(&mut first).await;
    broker.go_away();
    let mut second = listen(&hub, "news").await.into_body();
    next(&mut second).await;
    broker.come_back();
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    for body in [&mut first, &mut second] {
        let item = next(body).await;
        assert!(item.contains(r#""data":"kiki""#), "{item}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_whose_client_says_what_cannot_be_published_is_closed_to_try_again() {
    for patience in [Duration::ZERO, PATIENCE] {
        let (broker, hub) = hub(patience);
        let (mut client, _served) = open_socket(&hub).await;
        broker.go_away();
        let said = Instant::now();
        let (kiki, _) = SAID.split_at(10);
        client.write_all(kiki).await.unwrap();
        let mut head = [0; 4];
        client.read_exact(&mut head).await.unwrap();
        assert_eq!(
            (head[0], u16::from_be_bytes([head[2], head[3]])),
            (0x88, 1013)
        );
        let waited = said.elapsed();
        assert!(waited >= patience && waited < patience + MOMENT);
        broker.come_back();
        assert_eq!(broker.published("news"), []);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_said_before_it_left_is_published_in_its_order() {
    let (broker, hub) = hub(PATIENCE);
    let (mut client, served) = open_socket(&hub).await;
    broker.go_away();
    client.write_all(SAID).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    drop(client);
    assert!(!served.is_finished());
    assert_eq!(broker.published("news"), []);
    broker.come_back();
    served.await.unwrap();
    assert_eq!(broker.published("news"), texts(&["kiki", "bouba"]));
}
