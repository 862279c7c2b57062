//! Where connections come from, and what their requests know of it.

use axum::{Router, extract::ConnectInfo, routing::get, serve::ListenerExt};
use encke::Peer;
use http::Extensions;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Tells its clients their address, in both ways there are to ask.
fn app() -> Router {
    let tell = async |ConnectInfo(peer): ConnectInfo<Peer>, extensions: Extensions| {
        let same = Peer::of(&extensions).map(Peer::address);
        format!("{} {same:?}", peer.address())
    };
    Router::new().route("/", get(tell))
}

async fn ask(address: SocketAddr) -> (SocketAddr, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: encke\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    (socket.local_addr().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_handler_knows_the_address_of_its_client() {
    let listener = encke::listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(encke::serve(listener, app()).into_future());
    let (ours, told) = ask(address).await;
    assert_eq!(told, format!("{ours} Some({ours})"));
}

#[tokio::test]
async fn under_axum_a_handler_knows_the_address_of_its_client_too() {
    let listener = encke::listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app().into_make_service_with_connect_info::<Peer>();
    tokio::spawn(axum::serve(listener, app).into_future());
    let (ours, told) = ask(address).await;
    assert_eq!(told, format!("{ours} Some({ours})"));
}

#[tokio::test]
async fn a_listener_that_axum_taps_tells_the_address_still() {
    let listener = encke::listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app().into_make_service_with_connect_info::<Peer>();
    tokio::spawn(axum::serve(listener.tap_io(|_| {}), app).into_future());
    let (ours, told) = ask(address).await;
    assert_eq!(told, format!("{ours} Some({ours})"));
}
