//! Channels over a WebSocket: what the client hears, and what becomes of what it says.

mod listener;

use encke::{Grant, Hub, HubConfig, Refusal};
use encke_proto::{
    Output,
    ws::{Closed, Config, Connection, Event, MaskKeys, Message},
};
use listener::{PATIENCE, Way, ask, both_ways, open, serve};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: encke\r\n{HANDSHAKE}{headers}\r\n")
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

struct Client {
    socket: TcpStream,
    connection: Connection,
    unread: Vec<u8>,
}

impl Client {
    async fn open(address: SocketAddr, path: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), path).await
    }

    async fn over(mut socket: TcpStream, path: &str) -> Self {
        socket
            .write_all(request(path, "").as_bytes())
            .await
            .unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let config = Config {
            max_frame: 64 << 20,
            max_message: 64 << 20,
            ..Config::default()
        };
        let keys = MaskKeys::new(|| [1, 2, 3, 4]);
        let connection =
            Connection::client(Arc::new(config), None, keys, Instant::now().into_std());
        Self {
            socket,
            connection,
            unread: Vec::new(),
        }
    }

    async fn say(&mut self, message: impl Into<Message>) {
        let mut out = Output::default();
        let now = Instant::now().into_std();
        self.connection.send(message.into(), &mut out, now).unwrap();
        self.socket.write_all(&out.take(usize::MAX)).await.unwrap();
    }

    /// The next message, pings left out, or the end.
    async fn hear(&mut self) -> Result<Message, Closed> {
        loop {
            let now = Instant::now().into_std();
            let read = self.connection.handle_input(&self.unread, now);
            self.unread.drain(..read);
            match self.connection.poll_event() {
                Some(Event::Message(Message::Ping(_))) => {}
                Some(Event::Message(message)) => return Ok(message),
                Some(Event::Closed(closed)) => return Err(closed),
                None if read > 0 => {}
                None => {
                    let more = self.socket.read_buf(&mut self.unread);
                    if timeout(PATIENCE, more).await.unwrap().unwrap_or(0) == 0 {
                        self.connection.handle_end();
                    }
                }
            }
        }
    }

    async fn text(&mut self) -> String {
        match self.hear().await {
            Ok(Message::Text(text)) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    async fn item(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    async fn closed(&mut self) -> (u16, String) {
        let closed = self.hear().await.unwrap_err();
        (closed.code.get(), closed.reason)
    }
}

async fn a_bare_socket_hears_the_data_as_it_was_published(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news").await;
    let news = hub.channel("news").unwrap();
    news.publish("kiki").await.unwrap();
    news.publish(encke::JsonText::parse("[1.0]").unwrap())
        .await
        .unwrap();
    news.publish(vec![0xff]).await.unwrap();
    assert_eq!(client.text().await, "kiki");
    assert_eq!(client.text().await, "[1.0]");
    assert_eq!(client.hear().await, Ok(Message::Binary(vec![0xff].into())));
    way.is_taken(&hub).await;
}

async fn envelopes_say_where_the_session_stands_and_it_continues_there(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for path in [
        "/live/news?envelope=1",
        "/live/news?channel=chat&transport=ws",
    ] {
        let mut client = Client::open(address, path).await;
        let opened = client.item().await;
        assert_eq!(opened.get("data"), None);
        let news = hub.channel("news").unwrap();
        let first = news.publish("kiki").await.unwrap();
        news.publish("foo").await.unwrap();
        let item = client.item().await;
        assert_eq!(item["channel"], "news");
        assert_eq!(item["offset"], first.offset);
        assert_eq!(item["data"], "kiki");
        let since = item["position"].as_str().unwrap();
        let mut again = Client::open(address, &format!("{path}&since={since}")).await;
        again.item().await;
        assert_eq!(again.item().await["data"], "foo");
        let since = opened["position"].as_str().unwrap();
        let mut again = Client::open(address, &format!("{path}&since={since}")).await;
        again.item().await;
        assert_eq!(again.item().await["data"], "kiki");
    }
}

async fn a_gap_is_an_item_or_the_reason_of_a_close(way: Way) {
    let (hub, address) = way
        .hub(
            HubConfig::default()
                .history(1, Duration::from_secs(60))
                .live_window(0, Duration::ZERO),
        )
        .await;
    let news = hub.channel("news").unwrap();
    let start = news.subscribe().await.unwrap().position();
    for text in ["kiki", "foo", "bar"] {
        news.publish(text).await.unwrap();
    }
    let mut client = Client::open(address, &format!("/live/news?envelope=1&since={start}")).await;
    client.item().await;
    assert_eq!(
        client.item().await["gap"],
        json!({"epoch": start.epoch.to_string(), "from": 1, "to": 2})
    );
    assert_eq!(client.item().await["data"], "bar");
    let mut bare = Client::open(address, &format!("/live/news?since={start}")).await;
    assert_eq!(bare.closed().await, (4001, "gap 1-2".into()));
    let mut unknown = Client::open(address, "/live/news?since=aa:1").await;
    assert_eq!(unknown.closed().await, (4001, "gap ?-2".into()));
}

async fn publications_of_every_size_arrive_whole_and_pings_go_between_them(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    for path in ["/live/news", "/live/news?envelope=1"] {
        let mut client = Client::open(address, path).await;
        let news = hub.channel("news").unwrap();
        let sizes = [1, 125, 126, 5000, 65_535, 65_536, 1 << 20, 3];
        for size in sizes {
            news.publish("x".repeat(size)).await.unwrap();
            client.say(Message::Ping("kiki".into())).await;
        }
        let mut heard = Vec::new();
        let mut pongs = 0;
        while heard.len() < sizes.len() || pongs == 0 {
            match client.hear().await.unwrap() {
                Message::Text(text) => {
                    let item = serde_json::from_str(text.as_str()).unwrap_or(Value::Null);
                    match (path.contains("envelope"), item["data"].as_str()) {
                        (true, Some(data)) => heard.push(data.len()),
                        (true, None) => {}
                        (false, _) => heard.push(text.as_str().len()),
                    }
                }
                Message::Pong(payload) => {
                    assert_eq!(payload, "kiki");
                    pongs += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard, sizes, "{path}");
    }
}

/// The first frame of a client that offers compression, and what the server answered to that.
async fn first_frame(address: SocketAddr, offer: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let offer = format!("sec-websocket-extensions: {offer}\r\n");
    let request = request("/live/news?history=1", &offer);
    socket.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut socket).await;
    let mut frame = vec![0; 2];
    timeout(PATIENCE, socket.read_exact(&mut frame))
        .await
        .unwrap()
        .unwrap();
    let length = match frame[1] {
        126 => socket.read_u16().await.unwrap().into(),
        short => usize::from(short),
    };
    frame.truncate(1);
    frame.resize(1 + length, 0);
    timeout(PATIENCE, socket.read_exact(&mut frame[1..]))
        .await
        .unwrap()
        .unwrap();
    (head.to_lowercase(), frame)
}

async fn publications_are_deflated_once_for_those_who_take_them_so(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let text = "kiki foo bar ".repeat(100);
    hub.channel("news")
        .unwrap()
        .publish(text.as_str())
        .await
        .unwrap();

    let (head, frame) = first_frame(address, "permessage-deflate").await;
    assert!(
        head.contains("sec-websocket-extensions: permessage-deflate"),
        "{head}"
    );
    assert_eq!(frame[0], 0xc1);
    assert!(frame.len() < text.len() / 10);
    let mut inflated = Vec::with_capacity(2 * text.len());
    let deflated = [&frame[1..], &[0, 0, 0xff, 0xff]].concat();
    flate2::Decompress::new(false)
        .decompress_vec(&deflated, &mut inflated, flate2::FlushDecompress::Sync)
        .unwrap();
    assert_eq!(inflated, text.as_bytes());

    let small = "permessage-deflate; server_max_window_bits=10";
    let (head, frame) = first_frame(address, small).await;
    assert!(head.contains("server_max_window_bits=10"), "{head}");
    assert_eq!(frame[0], 0x81);
    assert_eq!(&frame[1..], text.as_bytes());
}

async fn what_a_client_says_is_published_only_where_the_application_says_so(way: Way) {
    let (quiet, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/chat").await;
    client.say("kiki").await;
    let (code, reason) = client.closed().await;
    assert_eq!(
        (code, &*reason),
        (1008, "Nobody publishes over this socket")
    );
    assert_eq!(quiet.stats().published, 0);

    let hub = Hub::default();
    let address = way.serve(open(&hub).client_publish()).await;
    let mut speaker = Client::open(address, "/live/chat").await;
    let mut listener = Client::open(address, "/live/chat").await;
    speaker.say("kiki").await;
    assert_eq!(speaker.text().await, "kiki");
    assert_eq!(listener.text().await, "kiki");

    let refusing =
        hub.live()
            .prefix("/live")
            .client_publish()
            .authorize(|_, action, channels| async move {
                match action {
                    encke::Action::Listen => Ok(Grant::new()),
                    _ => Err(Refusal::channel(&channels[0])),
                }
            });
    let mut refused = Client::open(way.serve(refusing).await, "/live/chat").await;
    refused.say("kiki").await;
    assert_eq!(refused.closed().await.0, 1008);
}

async fn a_client_that_may_publish_says_as_much_as_a_post_and_another_no_more_than_by_default(
    way: Way,
) {
    let hub = Hub::default();
    let speaking = way
        .serve(open(&hub).client_publish().body_limit(100_000))
        .await;
    let listening = way.serve(open(&hub)).await;
    for (address, fits) in [(speaking, 100_000), (listening, 64 << 10)] {
        // A head alone: the frame is longer by one.
        let mut client = Client::open(address, "/live/chat").await;
        let mut head = vec![0x82, 0xff];
        head.extend((fits + 1_u64).to_be_bytes());
        head.extend([0; 4]);
        client.socket.write_all(&head).await.unwrap();
        assert_eq!(client.closed().await, (1009, "Message was too big".into()));
    }
    let mut client = Client::open(speaking, "/live/chat").await;
    let text = "a".repeat(100_000);
    client.say(&*text).await;
    assert_eq!(client.text().await, text);
}

async fn shutdown_says_1001_after_what_was_published(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news").await;
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    hub.shutdown();
    assert_eq!(client.text().await, "kiki");
    assert_eq!(client.closed().await.0, 1001);
}

async fn the_end_of_the_server_says_1001_too(way: Way) {
    let hub = Hub::default();
    let shutdown = encke::Shutdown::new();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = way
        .of(encke::serve(tcp, open(&hub)))
        .drain_limit(10 * PATIENCE)
        .with_shutdown(shutdown.clone());
    let server = tokio::spawn(server.into_future());
    let mut client = Client::open(address, "/live/news").await;
    shutdown.begin();
    assert_eq!(client.closed().await.0, 1001);
    drop(client);
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert_eq!(hub.stats().shut_down, 1);
}

async fn a_client_that_says_goodbye_gets_its_close_back_and_is_forgotten(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news").await;
    assert_eq!(hub.stats().sessions, 1);
    client.say(Message::Close(None)).await;
    assert_eq!(client.closed().await.0, 1005);
    while hub.stats().sessions > 0 {
        assert_eq!(
            timeout(PATIENCE, client.socket.read_buf(&mut client.unread))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.stats().gone, 1);
}

async fn a_client_that_reads_nothing_is_ended(way: Way) {
    let (hub, address) = way
        .hub(HubConfig::default().stall_limit(Duration::from_secs(1)))
        .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let client = Client::over(socket.connect(address).await.unwrap(), "/live/news").await;
    let news = hub.channel("news").unwrap();
    for _ in 0..64 {
        news.publish("x".repeat(256 << 10)).await.unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    while hub.stats().sessions > 0 {
        assert!(Instant::now() < deadline, "{:?}", hub.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(hub.stats().stalled, 1);
    drop(client);
}

#[tokio::test]
async fn handshakes_that_are_none_and_pages_of_other_origins_are_refused() {
    let hub = Hub::default();
    let live = open(&hub).allow_origin("https://pages.example").unwrap();
    let address = serve(live).await;
    let plain = "GET /live/news?transport=ws HTTP/1.1\r\nhost: encke\r\n\r\n";
    let (status, head, _) = ask(address, plain).await;
    assert_eq!(status, 426, "{head}");
    assert!(
        head.to_lowercase().contains("upgrade: websocket\r\n"),
        "{head}"
    );
    for origin in ["https://evil.example", "null"] {
        let (status, _, body) = ask(
            address,
            &request("/live/news", &format!("origin: {origin}\r\n")),
        )
        .await;
        assert_eq!(status, 403, "{body}");
    }
    assert_eq!(hub.stats().sessions, 0);
    for origin in ["http://encke", "https://pages.example"] {
        let (status, ..) = ask(
            address,
            &request("/live/news", &format!("origin: {origin}\r\n")),
        )
        .await;
        assert_eq!(status, 101, "{origin}");
    }
}

async fn a_quiet_client_is_pinged_and_lost_if_it_does_not_answer(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news").await;
    way.is_taken(&hub).await;
    tokio::time::pause();
    let start = Instant::now();
    let ping = timeout(3 * PATIENCE, client.socket.read_u16()).await;
    assert_eq!(ping.expect("a ping").unwrap(), 0x8900);
    assert!(start.elapsed() >= Duration::from_secs(25));
    let end = timeout(3 * PATIENCE, client.socket.read_buf(&mut client.unread)).await;
    assert_eq!(end.expect("the end").unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_secs(35));
    assert!(start.elapsed() <= Duration::from_secs(40));
    no_session_is_left(&hub).await;
}

async fn a_close_that_nobody_answers_ends_the_session_all_the_same(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news?since=aa:1").await;
    assert_eq!(client.closed().await, (4001, "gap ?-0".into()));
    tokio::time::pause();
    let start = Instant::now();
    no_session_is_left(&hub).await;
    assert!(start.elapsed() <= Duration::from_secs(10));
}

async fn what_is_published_behind_a_close_keeps_nobody_busy(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let news = hub.channel("news").unwrap();
    let mut client = Client::open(address, "/live/news?since=aa:1").await;
    assert_eq!(client.closed().await, (4001, "gap ?-0".into()));
    for _ in 0..200 {
        news.publish("x".repeat(1 << 10)).await.unwrap();
    }
    // A paused clock advances when nobody has anything to do.
    tokio::time::pause();
    let (give_up, given_up) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE / 2);
        give_up.send(())
    });
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
        _ = given_up => panic!("somebody is busy"),
    }
}

async fn a_client_that_says_goodbye_and_ends_at_once_is_not_waited_for(way: Way) {
    let (hub, address) = way.hub(HubConfig::default()).await;
    let mut client = Client::open(address, "/live/news").await;
    way.is_taken(&hub).await;
    // Said and ended before the server looks.
    let mut out = Output::default();
    let now = Instant::now().into_std();
    let close = Message::Close(None);
    client.connection.send(close, &mut out, now).unwrap();
    let said = client.socket.try_write(&out.take(usize::MAX)).unwrap();
    assert!(said > 0);
    client.socket.shutdown().await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(client.closed().await.0, 1005);
    no_session_is_left(&hub).await;
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

async fn no_session_is_left(hub: &Hub) {
    let deadline = Instant::now() + 3 * PATIENCE;
    while hub.stats().sessions > 0 {
        assert!(Instant::now() < deadline, "{:?}", hub.stats());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

both_ways! {
    a_client_that_says_goodbye_and_ends_at_once_is_not_waited_for,
    a_quiet_client_is_pinged_and_lost_if_it_does_not_answer,
    a_close_that_nobody_answers_ends_the_session_all_the_same,
    what_is_published_behind_a_close_keeps_nobody_busy,
    a_bare_socket_hears_the_data_as_it_was_published,
    envelopes_say_where_the_session_stands_and_it_continues_there,
    a_gap_is_an_item_or_the_reason_of_a_close,
    publications_of_every_size_arrive_whole_and_pings_go_between_them,
    publications_are_deflated_once_for_those_who_take_them_so,
    what_a_client_says_is_published_only_where_the_application_says_so,
    a_client_that_may_publish_says_as_much_as_a_post_and_another_no_more_than_by_default,
    shutdown_says_1001_after_what_was_published,
    the_end_of_the_server_says_1001_too,
    a_client_that_says_goodbye_gets_its_close_back_and_is_forgotten,
    a_client_that_reads_nothing_is_ended,
}
