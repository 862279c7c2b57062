//! A chat room over WebSockets: what one says is published, and everyone hears the channel.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use encke::{BoxError, ChannelHandle, Data, Delivery, Hub, WebSocket};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    let hub = Hub::default();
    encke::serve(listener, app(hub)).await
}

fn app(hub: Hub) -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/room", any(room))
        .with_state(hub)
}

async fn room(State(hub): State<Hub>, ws: WebSocket) -> Response {
    match hub.channel("room") {
        Ok(room) => ws.with(|ws| chat(ws, room)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn chat(
    ws: encke::websocket::Opening<encke::websocket::codec::Text>,
    room: ChannelHandle,
) -> Result<(), BoxError> {
    let (mut incoming, outgoing) = ws.accept().await?;
    let mut heard = room.subscribe_recent(20).await.unwrap();
    loop {
        tokio::select! {
            said = incoming.next() => match said {
                Some(said) => {
                    room.publish(said.as_str()).await?;
                }
                None => return Ok(()),
            },
            heard = heard.next() => match heard {
                Some(Delivery::Publication(publication)) => {
                    if let Data::Text(text) = publication.data {
                        outgoing.send(text.to_string()).await?;
                    }
                }
                Some(Delivery::Gap(_)) => outgoing.send("… some messages are missing …").await?,
                None => return Ok(()),
            },
        }
    }
}

/// What was said is shown as text: nobody can put a script into everyone's page.
const INDEX: &str = r#"<!doctype html>
<title>Chat room</title>
<form id="form"><input id="said" autofocus placeholder="Say something"></form>
<ul id="room"></ul>
<script>
  const show = (text) => {
    const item = document.createElement('li')
    item.textContent = text
    document.getElementById('room').append(item)
  }
  let socket
  const open = () => {
    socket = new WebSocket(new URL('/room', location.href.replace('http', 'ws')))
    socket.onmessage = (event) => show(event.data)
    socket.onclose = () => setTimeout(open, 1000)
  }
  open()
  document.getElementById('form').onsubmit = (event) => {
    event.preventDefault()
    const said = document.getElementById('said')
    socket.send(said.value)
    said.value = ''
  }
</script>
"#;
