//! A hub behind a real server, and clients that take its streams apart.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use encke::{Action, Grant, Hub, HubConfig, Live, Refusal, Serve, Stats};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A service that lets everyone publish.
pub fn open(hub: &Hub) -> Live {
    let decide = |_, _: Action, _| async { Ok::<_, Refusal>(Grant::new()) };
    hub.live().prefix("/live").authorize(decide)
}

/// A hub and its server.
pub async fn hub(config: HubConfig) -> (Hub, SocketAddr) {
    Way::Detached.hub(config).await
}

/// Serves `live` on a free port.
pub async fn serve(live: Live) -> SocketAddr {
    Way::Detached.serve(live).await
}

/// How sessions are served under a server of ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Way {
    /// They leave HTTP with their sockets.
    Detached,
    /// They stay with their connections.
    Connected,
}

impl Way {
    /// A hub and its server.
    pub async fn hub(self, config: HubConfig) -> (Hub, SocketAddr) {
        let hub = Hub::new(config);
        let address = self.serve(open(&hub)).await;
        (hub, address)
    }

    /// Serves `live` on a free port.
    pub async fn serve(self, live: Live) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(self.of(encke::serve(listener, live)).into_future());
        address
    }

    /// A server whose sessions go this way.
    pub fn of<S>(self, server: Serve<S>) -> Serve<S> {
        match self {
            Self::Detached => server,
            Self::Connected => server.shards(0),
        }
    }

    /// Waits until all sessions of the hub have gone this way.
    pub async fn is_taken(self, hub: &Hub) {
        let detached = cfg!(target_os = "linux") && self == Self::Detached;
        let taken = |stats: Stats| stats.detached == if detached { stats.sessions } else { 0 };
        let wait = async {
            while !taken(hub.stats()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{self:?}: {:?}", hub.stats()));
    }
}

/// Has each of these functions tested with both ways of serving sessions.
#[allow(unused_macros)]
macro_rules! both_ways {
    ($($test:ident),* $(,)?) => {
        mod detached {
            $(#[tokio::test] async fn $test() {
                super::$test(super::listener::Way::Detached).await;
            })*
        }
        mod connected {
            $(#[tokio::test] async fn $test() {
                super::$test(super::listener::Way::Connected).await;
            })*
        }
    };
}
#[allow(unused_imports)]
pub(crate) use both_ways;

/// Sends a request; gives status, head and body.
pub async fn ask(address: SocketAddr, request: &str) -> (u16, String, String) {
    ask_bytes(address, request.as_bytes()).await
}

/// As [`ask`], with bytes that need not be text.
pub async fn ask_bytes(address: SocketAddr, request: &[u8]) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut listener = Listener::new(socket);
    listener.read_head().await;
    let length = listener.header("content-length");
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while listener.raw.len() < length {
        assert!(listener.read().await, "the body ended early");
    }
    let body = String::from_utf8(listener.raw.clone()).unwrap();
    (listener.status(), listener.head, body)
}

/// Publishes with POST; gives the position.
pub async fn post(address: SocketAddr, channel: &str, headers: &str, body: &[u8]) -> Value {
    let length = body.len();
    let mut request = format!(
        "POST /live/{channel} HTTP/1.1\r\nhost: encke\r\ncontent-length: {length}\r\n{headers}\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    let (status, _, body) = ask_bytes(address, &request).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// One stream, dechunked.
pub struct Listener {
    socket: TcpStream,
    pub head: String,
    raw: Vec<u8>,
    body: Vec<u8>,
    ended: bool,
}

impl Listener {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            head: String::new(),
            raw: Vec::new(),
            body: Vec::new(),
            ended: false,
        }
    }

    /// Listens at `path`, with `headers` each ending with CRLF.
    pub async fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        Self::over(socket, path, headers).await
    }

    /// As [`open`](Self::open), over a socket that was prepared before.
    pub async fn over(mut socket: TcpStream, path: &str, headers: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: encke\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut listener = Self::new(socket);
        listener.read_head().await;
        assert_eq!(listener.status(), 200, "{}", listener.head);
        listener
    }

    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    /// The next item of an NDJSON stream; `None` for a sign of life.
    pub async fn line(&mut self) -> Option<Value> {
        let line = self.until("\n").await;
        let line = line.trim_end();
        (!line.is_empty()).then(|| serde_json::from_str(line).unwrap())
    }

    /// The next item of an NDJSON stream that is no sign of life.
    pub async fn item(&mut self) -> Value {
        loop {
            if let Some(item) = self.line().await {
                return item;
            }
        }
    }

    /// The next event of an SSE stream.
    pub async fn event(&mut self) -> String {
        self.until("\n\n").await
    }

    /// The text of the next script element of a Comet socket.
    pub async fn script(&mut self) -> String {
        let element = self.until("</script>").await;
        let (open, text) = element
            .rsplit_once("<script")
            .map(|(_, rest)| rest.split_once('>').unwrap())
            .unwrap();
        assert!(open.starts_with(" nonce=\""), "{open}");
        text.strip_suffix("</script>").unwrap().to_owned()
    }

    /// The body up to and including the next `end`.
    pub async fn until(&mut self, end: &str) -> String {
        let mut searched = 0;
        loop {
            let found = self.body[searched..]
                .windows(end.len())
                .position(|w| w == end.as_bytes());
            if let Some(found) = found {
                let rest = self.body.split_off(searched + found + end.len());
                return String::from_utf8(std::mem::replace(&mut self.body, rest)).unwrap();
            }
            searched = (self.body.len() + 1).saturating_sub(end.len());
            self.dechunk();
            if self.body.len() >= searched + end.len() {
                continue;
            }
            let text = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).into_owned();
            let wanted = &end[..end.len().min(40)];
            assert!(
                self.read().await,
                "the stream ended without {wanted:?}: {text}"
            );
        }
    }

    /// Takes `step` bytes at a time, with pauses, for as long as there are some without waiting.
    pub async fn taking(&mut self, step: usize, pause: Duration) {
        let mut taken = vec![0; step];
        while let Ok(Ok(read)) = timeout(10 * pause, self.socket.read(&mut taken)).await
            && read > 0
        {
            self.raw.extend_from_slice(&taken[..read]);
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether the stream ends, by its last chunk, without anything more in it.
    pub async fn ends(&mut self) -> bool {
        loop {
            self.dechunk();
            if self.ended || !self.read().await {
                return self.ended && self.body.is_empty();
            }
        }
    }

    /// Reads everything up to the last chunk, which must come.
    pub async fn rest(&mut self) -> String {
        while !self.ended {
            self.dechunk();
            assert!(
                self.ended || self.read().await,
                "cut without its last chunk"
            );
        }
        String::from_utf8(std::mem::take(&mut self.body)).unwrap()
    }

    /// What comes behind what was read of the stream, up to the end of the connection.
    pub async fn unread(mut self) -> Vec<u8> {
        while self.read().await {}
        self.raw
    }

    /// Whether the server cut the connection, last chunk or not.
    pub async fn is_cut(&mut self) {
        while self.read().await {}
    }

    async fn read_head(&mut self) {
        loop {
            if let Some(end) = self.raw.windows(4).position(|w| w == b"\r\n\r\n") {
                let body = self.raw.split_off(end + 4);
                self.head = String::from_utf8(std::mem::replace(&mut self.raw, body)).unwrap();
                return;
            }
            assert!(self.read().await, "no response");
        }
    }

    /// Moves whole chunks from what was received to the body.
    fn dechunk(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|w| w == b"\r\n") {
            let size = str::from_utf8(&self.raw[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let chunk = end + 2..end + 2 + size;
            if self.raw.len() < chunk.end + 2 {
                return;
            }
            self.body.extend_from_slice(&self.raw[chunk.clone()]);
            self.raw.drain(..chunk.end + 2);
            self.ended |= size == 0;
        }
    }

    async fn read(&mut self) -> bool {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.raw)).await;
        read.expect("something more").unwrap_or(0) > 0
    }
}
