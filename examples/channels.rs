//! A chat on a channel: what one visitor says reaches every browser, and those who reconnect.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Html,
    routing::{get, post},
};
use encke::Hub;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);

    let hub = Hub::default();
    let stopped = stopped(hub.clone());
    encke::serve(listener, app(hub))
        .with_graceful_shutdown(stopped)
        .await
}

/// Open streams end with their last chunk, and browsers know that they may come back.
async fn stopped(hub: Hub) {
    let _ = tokio::signal::ctrl_c().await;
    hub.shutdown();
}

fn app(hub: Hub) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/say", post(say))
        .nest_service("/live", hub.live())
        .with_state(hub)
}

async fn say(State(hub): State<Hub>, said: String) -> Result<String, (StatusCode, String)> {
    let chat = hub.channel("chat").map_err(internal)?;
    let position = chat.publish(said).await.map_err(internal)?;
    Ok(position.to_string())
}

fn internal(error: impl std::error::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

const INDEX: &str = r#"<!doctype html>
<title>Chat</title>
<form id="form"><input id="said" autofocus placeholder="Say something"></form>
<ul id="chat"></ul>
<script>
  const chat = document.getElementById('chat')
  const show = (text) => {
    const item = document.createElement('li')
    item.textContent = text
    chat.append(item)
  }
  const events = new EventSource('/live/chat?history=20')
  events.onmessage = (event) => show(event.data)
  events.addEventListener('gap', () => show('… some messages are missing …'))
  document.getElementById('form').onsubmit = (event) => {
    event.preventDefault()
    const said = document.getElementById('said')
    fetch('/say', { method: 'POST', body: said.value })
    said.value = ''
  }
</script>
"#;
