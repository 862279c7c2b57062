//! A client so plain that nothing but what is tested can hold anything back, or repair it.

mod chunks;

mod way;
pub use way::Way;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use chunks::Chunks;

/// Far longer than anything takes that is not held back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of a WebSocket, both empty, the Pong masked; no text has such bytes.
const PING: [u8; 2] = [0x89, 0];
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// One connection, and what arrived on it.
pub struct Client {
    socket: TcpStream,
    way: Way,
    seen: Chunks,
}

impl Client {
    /// Listens to `news`, and waits for the session's first word.
    ///
    /// # Panics
    /// When it is not let in. Here and below also when nothing comes for half a minute.
    pub async fn listen(server: SocketAddr, way: Way) -> Self {
        Self::listen_to(server, way, "news").await
    }

    /// Listens to another channel.
    pub async fn listen_to(server: SocketAddr, way: Way, channel: &str) -> Self {
        let target = format!("{channel}?{}", way.query());
        Self::listen_with(server, way, &target, "").await
    }

    /// Continues after a position, as a client of this kind tells it.
    pub async fn listen_since(server: SocketAddr, way: Way, position: &str) -> Self {
        let target = format!("news?{}", way.query());
        if way == Way::Sse {
            let header = format!("Last-Event-ID: {position}\r\n");
            return Self::listen_with(server, way, &target, &header).await;
        }
        Self::listen_with(server, way, &format!("{target}&since={position}"), "").await
    }

    async fn listen_with(server: SocketAddr, way: Way, target: &str, headers: &str) -> Self {
        let line = format!("GET /live/{target}");
        let headers = format!("Accept-Encoding: gzip\r\n{}{headers}", way.headers());
        let mut client = Self::send(server, &line, &headers, "").await;
        client.way = way;
        client.until("\r\n\r\n").await;
        let line = client.seen().lines().next().unwrap_or_default();
        assert!(line.contains(way.status()), "{way:?}: {}", client.seen());
        client.until(way.around_position().0).await;
        client
    }

    /// GETs a path, and gives the whole answer.
    pub async fn get(server: SocketAddr, path: &str) -> String {
        Self::ask(server, &format!("GET {path}"), "", "").await
    }

    /// POSTs to `news`, and gives the whole answer.
    pub async fn post(server: SocketAddr, headers: &str, body: &str) -> String {
        Self::ask(server, "POST /live/news", headers, body).await
    }

    async fn ask(server: SocketAddr, line: &str, headers: &str, body: &str) -> String {
        let headers = format!("Connection: close\r\n{headers}");
        let mut client = Self::send(server, line, &headers, body).await;
        client.end().await;
        client.seen.text
    }

    async fn send(server: SocketAddr, line: &str, headers: &str, body: &str) -> Self {
        let mut socket = TcpStream::connect(server).await.expect("a server listens");
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let request = format!("{line} HTTP/1.1\r\nHost: {server}\r\n{length}{headers}\r\n{body}");
        let sent = socket.write_all(request.as_bytes()).await;
        sent.expect("a request is taken");
        Self {
            socket,
            way: Way::Sse,
            seen: Chunks::default(),
        }
    }

    /// What the client of a WebSocket says, in one masked frame.
    pub async fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).expect("a short text");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.socket.write_all(&frame).await.expect("it is taken");
    }

    /// How it listens.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// What arrived so far.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.seen.text
    }

    /// Everything that arrived, once this is in it.
    pub async fn until(&mut self, text: &str) -> &str {
        let came = self.gets_to(text).await;
        assert!(came, "it ended before {text:?}: {}", self.seen());
        self.seen()
    }

    /// Whether this arrives before the end.
    pub async fn gets_to(&mut self, text: &str) -> bool {
        while !self.seen().contains(text) {
            match timeout(PATIENCE, self.read()).await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(_) => panic!("nothing for {PATIENCE:?} before {text:?}: {}", self.seen()),
            }
        }
        true
    }

    /// Which of these arrives first.
    pub async fn first_of(&mut self, texts: &[String]) -> usize {
        loop {
            if let Some(found) = texts.iter().position(|text| self.seen().contains(text)) {
                return found;
            }
            let more = timeout(PATIENCE, self.read()).await;
            assert_eq!(more, Ok(true), "{}", self.seen());
        }
    }

    /// What arrived as whole items.
    #[must_use]
    pub fn items(&self) -> &str {
        let (_, body) = self.seen().split_once("\r\n\r\n").unwrap_or_default();
        let end = self.way.item_end();
        body.rfind(end).map_or("", |at| &body[..at + end.len()])
    }

    /// The numbers of the publications `item NUMBER.`, in the order in which they came.
    ///
    /// # Panics
    /// When it was told of a gap.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        let items = self.items();
        assert!(!items.contains("gap"), "{items}");
        let numbers = items.split("item ").skip(1);
        let numbers = numbers.filter_map(|rest| rest.split('.').next()?.parse().ok());
        numbers.collect()
    }

    /// The position that the last whole item told.
    #[must_use]
    pub fn position(&self) -> &str {
        let (before, behind) = self.way.around_position();
        // The line's end in front of the first of them ends the head.
        let told = match self.items().rsplit_once(before) {
            Some((_, told)) => told,
            None => self.items().trim_start_matches(before.trim_start()),
        };
        told.split(behind).next().unwrap_or_default()
    }

    /// Whether it goes on for so long, whatever it is told meanwhile.
    pub async fn goes_on_for(&mut self, time: Duration) -> bool {
        let ended = async { while self.read().await {} };
        timeout(time, ended).await.is_err()
    }

    /// Waits for its end.
    pub async fn end(&mut self) {
        assert!(!self.goes_on_for(PATIENCE).await, "{}", self.seen());
    }

    /// Reads once, and answers the ping of a WebSocket; whether there was something.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.socket.read(&mut bytes).await.unwrap_or(0);
        let bytes = &bytes[..count];
        if bytes.windows(PING.len()).any(|piece| piece == PING) {
            let _ = self.socket.write_all(&PONG).await;
        }
        self.seen.push(bytes);
        count > 0
    }
}
