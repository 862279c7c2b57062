//! The callback style: a future that sends while it likes, and learns when the client has left.

use std::time::Duration;

use axum::{Router, routing::get};
use encke::{BadRequest, Chunked, Comet};
use serde_json::json;
use tokio::time::interval;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

fn app() -> Router {
    Router::new()
        .route("/", get(chunked))
        .route("/comet", get(comet))
        .route("/endless", get(endless))
}

async fn chunked() -> Chunked {
    Chunked::with(|out| async move {
        out.write("kiki\n").await?;
        out.write("foo\n").await?;
        out.write("bar\n").await?;
        out.close()
    })
}

async fn comet() -> Result<Comet, BadRequest> {
    Ok(Comet::new("console.log")?.on_connected(|comet| async move {
        comet.send("kiki").await?;
        comet.send(json!({"foo": "bar"})).await?;
        comet.close()
    }))
}

async fn endless() -> Chunked {
    Chunked::with(|out| async move {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = seconds.tick() => out.write("kiki\n").await?,
                () = out.closed() => break,
            }
        }
        println!("the client has left");
        out.close()
    })
}
