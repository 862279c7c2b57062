//! A WebSocket as a stream of what comes in, turned into a stream of what goes out.

use axum::{Router, routing::any};
use encke::{
    Body, WebSocket,
    websocket::{CloseCode, CloseWith, Text},
};
use futures_util::StreamExt;
use http::Response;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    println!("  /echo and /shout are WebSockets");
    encke::serve(listener, app()).await
}

fn app() -> Router {
    Router::new()
        .route("/echo", any(echo))
        .route("/shout", any(shout))
}

async fn echo(ws: WebSocket) -> Response<Body> {
    ws.text(|incoming| incoming)
}

/// The first error closes the socket, here with a code of its own.
async fn shout(ws: WebSocket) -> Response<Body> {
    ws.text(|incoming| {
        incoming.map(|text| {
            if text.is_empty() {
                Err(CloseWith::new(CloseCode::UNACCEPTABLE, "nothing to shout"))
            } else {
                Ok(Text::from(text.to_uppercase()))
            }
        })
    })
}
