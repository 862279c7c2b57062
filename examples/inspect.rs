//! Debugging a stream: its items, errors, end and drop, through `tracing`.
//!
//! `RUST_LOG=encke::inspect=warn` shows only the errors.

use axum::{Router, routing::get};
use encke::{BadRequest, Comet, Inspect};
use futures_util::{StreamExt, stream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "encke::inspect=debug".into());
    tracing_subscriber::fmt().with_env_filter(filter).init();
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
    let numbers = stream::iter(["1", "2", "kiki"]).map(str::parse::<u32>);
    Ok(Comet::new("console.log")?.json(numbers.try_inspected("numbers")))
}
