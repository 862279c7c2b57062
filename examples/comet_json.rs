//! JSON over a Comet socket: the callback receives objects, whatever is in them.

use axum::{Router, routing::get};
use encke::{BadRequest, Comet};
use futures_util::stream;
use serde::Serialize;

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

#[derive(Serialize)]
struct Greeting {
    name: &'static str,
    markup: &'static str,
}

async fn index() -> Result<Comet, BadRequest> {
    let greetings = ["kiki", "foo", "bar"].map(|name| Greeting {
        name,
        markup: "</script><b>",
    });
    Ok(Comet::new("console.log")?.json(stream::iter(greetings)))
}
