//! The forever iframe: a page that loads an endless page, which calls back into it.

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use encke::{BadRequest, Comet};
use futures_util::stream;
use tokio_stream::StreamExt;

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
        .route("/", get(index))
        .route("/comet", get(comet))
}

async fn comet() -> Result<Comet, BadRequest> {
    let messages = stream::iter(["kiki", "foo", "bar"].into_iter().cycle());
    let comet = Comet::new("parent.cometMessage")?;
    Ok(comet.string(messages.throttle(Duration::from_secs(1))))
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

/// The iframe comes after `load`, or the page would never finish loading: `setTimeout`, because
/// WebKit waits for what is inserted during `load` too.
const INDEX: &str = r#"<!doctype html>
<title>The forever iframe</title>
<ul id="received"></ul>
<script>
  function cometMessage(event) {
    const item = document.createElement('li')
    item.textContent = 'Received event: ' + event
    document.getElementById('received').append(item)
  }
  addEventListener('load', () => setTimeout(() => {
    const iframe = document.createElement('iframe')
    iframe.hidden = true
    iframe.src = '/comet'
    document.body.append(iframe)
  }))
</script>
"#;
