//! Two WebSockets in the callback style: one logs what comes and says hello, one says hello and goes.

use axum::{
    Router,
    response::Html,
    routing::{any, get},
};
use encke::{Body, WebSocket};
use http::Response;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    encke::serve(listener, app()).await
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/log", any(log))
        .route("/hello", any(hello))
}

async fn log(ws: WebSocket) -> Response<Body> {
    ws.on_ready(|incoming, outgoing| {
        // Log events to the console.
        incoming.on_message(|event| println!("{event}"));
        // When the socket is closed.
        incoming.on_close(|_| println!("Disconnected"));
        // Send a single 'Hello!' message.
        outgoing.write("Hello!");
    })
}

/// Discards what comes in.
async fn hello(ws: WebSocket) -> Response<Body> {
    ws.on_ready(|_, outgoing| {
        outgoing.write("Hello!");
        outgoing.close();
    })
}

const INDEX: &str = r#"<!doctype html>
<title>WebSockets</title>
<form id="form"><input id="said" autofocus placeholder="Say something to the log"></form>
<ul id="heard"></ul>
<script>
  const show = (text) => {
    const item = document.createElement('li')
    item.textContent = text
    document.getElementById('heard').append(item)
  }
  const open = (path) => {
    const socket = new WebSocket(new URL(path, location.href.replace('http', 'ws')))
    socket.onmessage = (event) => show(path + ': ' + event.data)
    socket.onclose = (event) => show(path + ' closed: ' + event.code)
    return socket
  }
  open('/hello')
  const log = open('/log')
  document.getElementById('form').onsubmit = (event) => {
    event.preventDefault()
    log.send(document.getElementById('said').value)
  }
</script>
"#;
