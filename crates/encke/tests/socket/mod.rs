//! A server with one WebSocket, and a client of another make.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use axum::{Router, extract::FromRequestParts, routing::any};
use encke::{Body, Serve, Shutdown, WebSocket, websocket::Closed};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use std::{io::Result, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::CloseFrame},
};

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const HANDSHAKE: &str = "connection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A server that runs.
pub struct Server {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub task: JoinHandle<Result<()>>,
}

/// Serves what `accept` makes of each socket.
pub async fn serve<F>(accept: F) -> Server
where
    F: Fn(WebSocket) -> Response<Body> + Clone + Send + Sync + 'static,
{
    serve_as(accept, |server| server).await
}

pub async fn serve_as<F>(
    accept: F,
    configure: impl FnOnce(Serve<Router>) -> Serve<Router>,
) -> Server
where
    F: Fn(WebSocket) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let shutdown = Shutdown::new();
    let server = encke::serve(tcp, app(accept)).with_shutdown(shutdown.clone());
    Server {
        address,
        shutdown,
        task: tokio::spawn(configure(server).into_future()),
    }
}

pub fn app<F>(accept: F) -> Router
where
    F: Fn(WebSocket) -> Response<Body> + Clone + Send + Sync + 'static,
{
    let handler = async move |request: axum::extract::Request| {
        let (mut parts, _) = request.into_parts();
        match WebSocket::from_request_parts(&mut parts, &()).await {
            Ok(ws) => accept(ws),
            Err(error) => error.into_response(),
        }
    };
    Router::new().route("/", any(handler))
}

pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn open(address: SocketAddr) -> Self {
        Self::request(address, &[]).await.unwrap().0
    }

    /// Opens with headers; the error is the response that refuses it.
    pub async fn request(
        address: SocketAddr,
        headers: &[(&str, &str)],
    ) -> std::result::Result<(Self, Response<Option<Vec<u8>>>), tungstenite::Error> {
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut request = Request::get(format!("ws://{address}/"))
            .header("host", address.to_string())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, tcp));
        let (stream, response) = opened.await.unwrap()?;
        Ok((Self(stream), response))
    }

    pub async fn say(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    /// The next message; pings are answered with it.
    pub async fn hear(&mut self) -> Message {
        let heard = timeout(PATIENCE, self.0.next()).await.unwrap();
        heard.unwrap().unwrap()
    }

    /// Code and reason of the server's Close, which comes next.
    pub async fn close(&mut self) -> (u16, String) {
        match self.hear().await {
            Message::Close(Some(CloseFrame { code, reason })) => (code.into(), reason.to_string()),
            other => panic!("{other:?} in place of a Close"),
        }
    }

    /// The end of the connection, after the Close.
    pub async fn end(mut self) {
        while let Some(Ok(_)) = timeout(PATIENCE, self.0.next()).await.unwrap() {}
    }
}

/// A client that speaks bytes.
pub struct Raw(pub TcpStream);

impl Raw {
    /// Sends a handshake with more headers, and reads the head of the response.
    pub async fn open(address: SocketAddr, headers: &str) -> (Self, String) {
        let mut raw = Self(TcpStream::connect(address).await.unwrap());
        let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\n{HANDSHAKE}{headers}\r\n");
        raw.0.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, raw.0.read_u8()).await.unwrap().unwrap());
        }
        (raw, String::from_utf8(head).unwrap())
    }

    /// Bytes that the server sends next.
    pub async fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let read = timeout(PATIENCE, self.0.read_exact(&mut bytes)).await;
        read.unwrap().unwrap();
        bytes
    }
}

/// Where an application says how its sockets ended.
pub fn ends() -> (mpsc::UnboundedSender<Closed>, Ends) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Ends(receiver))
}

pub struct Ends(mpsc::UnboundedReceiver<Closed>);

impl Ends {
    pub async fn next(&mut self) -> Closed {
        timeout(PATIENCE, self.0.recv()).await.unwrap().unwrap()
    }
}
