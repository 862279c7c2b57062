//! Live responses behind a layer that compresses them.

mod wire;

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use encke::{BoxError, Chunked, Comet, EventSource};
use futures_util::stream;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower_http::compression::CompressionLayer;
use wire::{Client, readable};

/// Asks for a response that has to pass the layer.
async fn receive_compressed(response: impl IntoResponse) -> Client {
    let response = Arc::new(Mutex::new(Some(response.into_response())));
    let handler = move || ready(response.lock().unwrap().take().unwrap());
    let always = |_, _: http::Version, _: &http::HeaderMap, _: &http::Extensions| true;
    let app = Router::new()
        .route("/", get(handler))
        .layer(CompressionLayer::new().compress_when(always));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    let request = "GET / HTTP/1.1\r\nhost: encke\r\naccept-encoding: gzip\r\n\r\n";
    let mut client = Client::send(address, request).await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    client.received.drain(..head.len());
    client
}

async fn until_readable(client: &mut Client, text: &str) {
    while !readable(&client.received).contains(text) {
        assert!(client.read().await > 0, "ended without {text}");
    }
}

type Items = UnboundedReceiverStream<String>;

async fn nothing_is_held_back<R: IntoResponse>(respond: impl FnOnce(Items) -> R) {
    let (items, received) = mpsc::unbounded_channel();
    let mut client = receive_compressed(respond(UnboundedReceiverStream::new(received))).await;
    for item in ["kiki", "foo", "bar"] {
        items.send(item.to_owned()).unwrap();
        until_readable(&mut client, item).await;
    }
}

#[tokio::test]
async fn chunk_is_readable_before_the_next_is_sent() {
    nothing_is_held_back(Chunked::text).await;
}

#[tokio::test]
async fn comet_message_is_readable_before_the_next_is_sent() {
    nothing_is_held_back(|items| Comet::new("parent.cometMessage").unwrap().string(items)).await;
}

#[tokio::test]
async fn event_is_readable_before_the_next_is_sent() {
    nothing_is_held_back(EventSource::new).await;
}

#[tokio::test]
async fn all_that_came_before_an_error_is_readable() {
    let items: [Result<&str, BoxError>; 3] = [Ok("kiki"), Ok("foo"), Err("broken".into())];
    let response: Response = Chunked::text(stream::iter(items))
        .into_response()
        .into_response();
    let mut client = receive_compressed(response).await;
    while client.read().await > 0 {}
    assert_eq!(readable(&client.received), "kikifoo");
    assert!(!client.received.ends_with(b"0\r\n\r\n"));
}
