//! A Comet socket made by hand: a chunked page whose scripts run as they arrive.
//!
//! Open it and look at the console. `comet.rs` does the same with the helper.

use axum::{Router, routing::get};
use encke::Chunked;
use futures_util::stream;
use http::HeaderValue;

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

async fn index() -> Chunked {
    let scripts = stream::iter([
        "<script>console.log('kiki')</script>",
        "<script>console.log('foo')</script>",
        "<script>console.log('bar')</script>",
    ]);
    Chunked::text(scripts).content_type(HeaderValue::from_static("text/html; charset=utf-8"))
}
