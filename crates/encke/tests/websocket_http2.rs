//! WebSockets over HTTP/2 under a server of another make.
#![cfg(feature = "http2")]

mod listener;
mod socket;

use bytes::Bytes;
use encke::Hub;
use h2::{client::SendRequest, ext::Protocol};
use http::{Method, Request};
use listener::PATIENCE;
use std::net::SocketAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Has axum serve sockets that echo, and channels.
async fn serve(hub: &Hub) -> SocketAddr {
    let app = socket::app(|ws| ws.text(|incoming| incoming));
    let app = app.nest_service("/live", listener::open(hub));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    tokio::spawn(axum::serve(tcp, app).into_future());
    address
}

/// Speaks HTTP/2 from the first byte on.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let sender = sender.ready().await.unwrap();
    // The server says in its settings that it takes an extended CONNECT.
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    sender
}

fn request(address: SocketAddr, path: &str, protocol: &'static str) -> Request<()> {
    Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{address}{path}"))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("origin", format!("http://{address}"))
        .body(())
        .unwrap()
}

#[tokio::test]
async fn sockets_open_by_extended_connect() {
    let hub = Hub::default();
    let address = serve(&hub).await;
    let mut sender = connect(address).await;

    let request = request(address, "/", "websocket");
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    // "Hello", masked with zeros, then a Close.
    let frames = b"\x81\x85\0\0\0\0Hello\x88\x80\0\0\0\0";
    stream.send_data(Bytes::from_static(frames), false).unwrap();
    let mut body = response.into_body();
    let mut heard = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        heard.extend_from_slice(&data.unwrap());
    }
    assert_eq!(heard, b"\x81\x05Hello\x88\x00");
}

#[tokio::test]
async fn channels_are_heard_by_extended_connect() {
    let hub = Hub::default();
    let address = serve(&hub).await;
    let mut sender = connect(address).await;

    let request = request(address, "/live/news", "websocket");
    let (response, _stream) = sender.send_request(request, false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    hub.channel("news").unwrap().publish("kiki").await.unwrap();
    let data = timeout(PATIENCE, response.into_body().data()).await;
    assert_eq!(data.unwrap().unwrap().unwrap(), &b"\x81\x04kiki"[..]);
}

#[tokio::test]
async fn extended_connect_of_another_protocol_opens_no_socket() {
    let hub = Hub::default();
    let address = serve(&hub).await;
    let mut sender = connect(address).await;

    let request = request(address, "/", "connect-udp");
    let (response, _stream) = sender.send_request(request, false).unwrap();
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert!(response.status().is_client_error(), "{response:?}");
}
