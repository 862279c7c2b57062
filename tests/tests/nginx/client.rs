//! A client of nginx, so plain that nothing but nginx can hold anything back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes that is not held back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Of a WebSocket, both empty, the Pong masked; no text has such bytes.
const PING: [u8; 2] = [0x89, 0];
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// A way to listen, and what a browser sends for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Sse,
    Ndjson,
    Comet,
    WebSocket,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Sse, Self::Ndjson, Self::Comet, Self::WebSocket];

    fn request(self) -> &'static str {
        match self {
            Self::Sse => "/live/news?transport=sse HTTP/1.1\r\n",
            Self::Ndjson => "/live/news?transport=ndjson HTTP/1.1\r\n",
            Self::Comet => "/live/news?callback=parent.cometMessage HTTP/1.1\r\n",
            Self::WebSocket => {
                "/live/news?transport=ws&envelope=1 HTTP/1.1\r\n\
                 Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        }
    }

    /// What the first word of a session has, after which it is known to be there.
    fn first_word(self) -> &'static str {
        match self {
            Self::Sse => "id: ",
            Self::Ndjson | Self::WebSocket => "\"position\"",
            Self::Comet => "position",
        }
    }
}

/// One connection, and what arrived on it.
pub(crate) struct Client {
    socket: TcpStream,
    seen: String,
}

impl Client {
    /// Listens to `news`, and waits for the session's first word.
    pub(crate) async fn listen(server: SocketAddr, way: Way) -> Self {
        Self::listen_with(server, way, "").await
    }

    pub(crate) async fn listen_with(server: SocketAddr, way: Way, headers: &str) -> Self {
        let target = way.request();
        let mut client = Self::send(
            server,
            &format!("GET {target}Host: {server}\r\nAccept-Encoding: gzip\r\n{headers}\r\n"),
        )
        .await;
        client.until("\r\n\r\n").await;
        let status = if way == Way::WebSocket {
            " 101 "
        } else {
            " 200 "
        };
        assert!(client.seen.contains(status), "{}", client.seen);
        client.until(way.first_word()).await;
        client
    }

    /// POSTs to `news`, and gives the whole answer.
    pub(crate) async fn post(server: SocketAddr, headers: &str, body: &str) -> String {
        let length = body.len();
        let mut client = Self::send(
            server,
            &format!(
                "POST /live/news HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n{headers}\r\n{body}"
            ),
        )
        .await;
        client.end().await;
        client.seen
    }

    async fn send(server: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(server).await.expect("a server listens");
        let sent = socket.write_all(request.as_bytes()).await;
        sent.expect("a request is taken");
        Self {
            socket,
            seen: String::new(),
        }
    }

    /// What the client of a WebSocket says, in one masked frame.
    pub(crate) async fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).expect("a short text");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.socket.write_all(&frame).await.expect("it is taken");
    }

    /// Everything that arrived, once this is in it.
    pub(crate) async fn until(&mut self, text: &str) -> &str {
        while !self.seen.contains(text) {
            let more = timeout(PATIENCE, self.read()).await;
            match more {
                Ok(true) => {}
                Ok(false) => panic!("it ended before {text:?}: {}", self.seen),
                Err(_) => panic!("nothing for {PATIENCE:?} before {text:?}: {}", self.seen),
            }
        }
        &self.seen
    }

    /// Which of these arrives first.
    pub(crate) async fn first_of(&mut self, texts: &[String]) -> usize {
        loop {
            if let Some(found) = texts.iter().position(|text| self.seen.contains(text)) {
                return found;
            }
            let more = timeout(PATIENCE, self.read()).await;
            assert_eq!(more, Ok(true), "{}", self.seen);
        }
    }

    /// The last position it was told over Server-Sent Events.
    pub(crate) fn last_event_id(&self) -> &str {
        let mut lines = self.seen.lines().rev();
        let id = lines.find_map(|line| line.strip_prefix("id: "));
        id.expect("a session tells where it stands")
    }

    /// Whether it goes on for so long, whatever it is told meanwhile.
    pub(crate) async fn goes_on_for(&mut self, time: Duration) -> bool {
        let ended = async { while self.read().await {} };
        timeout(time, ended).await.is_err()
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) {
        assert!(!self.goes_on_for(PATIENCE).await, "{}", self.seen);
    }

    /// Reads once, and answers the ping of a WebSocket; whether there was something.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.socket.read(&mut bytes).await.unwrap_or(0);
        let bytes = &bytes[..count];
        if bytes.windows(PING.len()).any(|piece| piece == PING) {
            let _ = self.socket.write_all(&PONG).await;
        }
        self.seen += &String::from_utf8_lossy(bytes);
        count > 0
    }
}
