//! The Comet helper: it wraps and escapes each message, and sends what browsers need first.

use axum::{Router, routing::get};
use encke::{BadRequest, Comet};
use futures_util::stream;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    Router::new().route("/", get(index))
}

async fn index() -> Result<Comet, BadRequest> {
    let messages = stream::iter(["kiki", "foo", "bar"]);
    Ok(Comet::new("console.log")?.string(messages))
}
