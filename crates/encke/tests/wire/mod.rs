//! A real server and a client that shows the bytes as they came.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::{
    convert::Infallible,
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use encke::Body;
use flate2::write::GzDecoder;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers every request of every connection with what `respond` makes.
pub async fn serve<F>(respond: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> Response<Body> + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let respond = respond.clone();
            let service = service_fn(move |request| {
                let response = respond(request);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

/// Asks a server once that answers whatever it is asked with `respond`.
pub async fn ask<F, R>(request: &str, respond: F) -> Client
where
    F: Fn() -> R + Clone + Send + 'static,
    R: Into<Response<Body>>,
{
    Client::send(serve(move |_| respond().into()).await, request).await
}

/// Asks a server once that has only this response.
pub async fn receive(response: impl Into<Response<Body>>) -> Client {
    let response = Arc::new(Mutex::new(Some(response.into())));
    ask(GET, move || response.lock().unwrap().take().unwrap()).await
}

/// What a browser could show of these chunks of a compressed response.
pub fn readable(received: &[u8]) -> String {
    let mut decoder = GzDecoder::new(Vec::new());
    let mut rest = received;
    while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else {
            break;
        };
        if size == 0 {
            break;
        }
        decoder.write_all(chunk).unwrap();
        rest = rest.get(end + 2 + size + 2..).unwrap_or_default();
    }
    decoder.flush().unwrap();
    String::from_utf8(decoder.get_ref().clone()).unwrap()
}

/// The request of a client that has no wishes.
pub const GET: &str = "GET / HTTP/1.1\r\nhost: encke\r\n\r\n";

/// One connection, and what was read from it so far.
pub struct Client {
    socket: TcpStream,
    pub received: Vec<u8>,
}

impl Client {
    pub async fn send(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        Self {
            socket,
            received: Vec::new(),
        }
    }

    /// Everything received up to and including `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            let text = self.text();
            if let Some(found) = text.find(end) {
                return text[..found + end.len()].to_owned();
            }
            assert!(
                self.read().await > 0,
                "connection ended without {end:?}: {text}"
            );
        }
    }

    /// Everything received, until the server closed the connection.
    pub async fn rest(mut self) -> String {
        while self.read().await > 0 {}
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// The head and what followed it, until the last chunk.
    pub async fn response(mut self) -> (String, String) {
        let text = self.until("0\r\n\r\n").await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Reads some more; 0 at the end.
    pub async fn read(&mut self) -> usize {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.received)).await;
        read.unwrap_or_else(|_| panic!("nothing more after {:?}", self.text()))
            .unwrap_or(0)
    }

    /// What was received so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
