//! axum's own WebSocket and SSE, and HTML streamed through `Body::from_stream`.
//!
//! `READ_BUFFER=4096` sets `read_buffer_size`, as the default of 128 KiB costs it more than half.

use std::{convert::Infallible, env, io};

use axum::{
    Router,
    body::Body,
    extract::{
        Path, State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    http::header::CONTENT_TYPE,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{any, get},
};
use encke_bench_peers::{Channels, publishing, serve};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio_stream::wrappers::BroadcastStream;

type App = State<Channels<Utf8Bytes>>;

#[tokio::main]
async fn main() -> io::Result<()> {
    let app = Router::new()
        .route("/ws/{channel}", any(ws))
        .route("/sse/{channel}", get(sse))
        .route("/comet/{channel}", get(comet))
        .route("/echo", any(echo))
        .merge(publishing())
        .with_state(Channels::default());
    serve(app).await
}

async fn sse(State(channels): App, Path(channel): Path<String>) -> impl IntoResponse {
    let events = messages(channels.subscribe(channel))
        .map(|message| Ok::<_, Infallible>(Event::default().data(message.as_str())));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn comet(State(channels): App, Path(channel): Path<String>) -> impl IntoResponse {
    let scripts = messages(channels.subscribe(channel))
        .map(|message| Ok::<_, Infallible>(format!("<script>parent.push('{message}')</script>\n")));
    let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    (html, Body::from_stream(scripts))
}

/// Ends when one was lost, which the load program would notice anyway.
fn messages(receiver: Receiver<Utf8Bytes>) -> impl Stream<Item = Utf8Bytes> {
    BroadcastStream::new(receiver)
        .take_while(|message| std::future::ready(message.is_ok()))
        .filter_map(|message| std::future::ready(message.ok()))
}

async fn ws(State(channels): App, Path(channel): Path<String>, ws: WebSocketUpgrade) -> Response {
    let receiver = channels.subscribe(channel);
    configured(ws).on_upgrade(|socket| push(socket, receiver))
}

async fn push(mut socket: WebSocket, mut messages: Receiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Ok(message) = message else { return };
                if socket.send(Message::Text(message)).await.is_err() {
                    return;
                }
            }
            said = socket.recv() => {
                if !matches!(said, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

async fn echo(ws: WebSocketUpgrade) -> Response {
    configured(ws).on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
            if is_data && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

fn configured(ws: WebSocketUpgrade) -> WebSocketUpgrade {
    let size = env::var("READ_BUFFER")
        .ok()
        .and_then(|size| size.parse().ok());
    match size {
        Some(size) => ws.read_buffer_size(size),
        None => ws,
    }
}
