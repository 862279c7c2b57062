//! Streams put together: one after the other, mapped, and ended early.

use axum::{Router, routing::get};
use encke::{BadRequest, Comet};
use futures_util::{StreamExt, future::ready, stream};

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
    let names = stream::iter(["kiki", "foo", "bar"]);
    let goodbye = stream::once(ready("goodbye".to_owned()));
    let messages = names
        .enumerate()
        .map(|(index, name)| format!("{index}: {name}"))
        .chain(goodbye)
        .chain(stream::repeat_with(|| "never sent".to_owned()))
        .take_while(|message| ready(message != "never sent"));
    Ok(Comet::new("console.log")?.string(messages))
}
