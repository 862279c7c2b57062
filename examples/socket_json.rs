//! A WebSocket of typed JSON, which tells the client what it got wrong.

use axum::{Router, routing::any};
use encke::{Body, WebSocket};
use futures_util::StreamExt;
use http::Response;
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    println!("  /add is a WebSocket: say {{\"a\": 1, \"b\": 2}}");
    encke::serve(listener, app()).await
}

fn app() -> Router {
    Router::new().route("/add", any(add))
}

#[derive(Deserialize)]
struct Question {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Answer {
    sum: Option<i64>,
}

/// Anything but a question closes the socket with 1003 and says what is missing.
async fn add(ws: WebSocket) -> Response<Body> {
    ws.json::<Question, Answer>(|questions| {
        questions.map(|Question { a, b }| Answer {
            sum: a.checked_add(b),
        })
    })
}
