//! A stock ticker over a WebSocket: the history of each symbol, then its updates. The page adds
//! symbols by saying their names.

use axum::{
    Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use encke::{
    BoxError, Data, Delivery, Hub, JsonText, Subscription, WebSocket,
    websocket::{Opening, Text, codec},
};
use futures_util::{StreamExt, stream::SelectAll};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SYMBOLS: [&str; 3] = ["KIKI", "FOO", "BAR"];

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    let hub = Hub::default();
    tokio::spawn(trade(hub.clone()));
    encke::serve(listener, app(hub)).await
}

fn app(hub: Hub) -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/ticker", any(ticker))
        .with_state(hub)
}

/// Makes prices up.
async fn trade(hub: Hub) -> Result<(), BoxError> {
    let mut prices = [100.0; SYMBOLS.len()];
    loop {
        for (symbol, price) in SYMBOLS.iter().zip(&mut prices) {
            let noise = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos() % 200;
            *price *= 1.0 + (f64::from(noise) - 100.0) / 10_000.0;
            let quote = json!({"symbol": symbol, "price": (*price * 100.0).round() / 100.0});
            let quotes = hub.channel(format!("quotes/{symbol}"))?;
            quotes.publish(Data::json(&quote)?).await?;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn ticker(State(hub): State<Hub>, ws: WebSocket) -> Response {
    ws.with(|ws| follow(ws, hub)).into_response()
}

async fn follow(ws: Opening<codec::Text>, hub: Hub) -> Result<(), BoxError> {
    let (mut incoming, outgoing) = ws.accept().await?;
    let mut quotes = SelectAll::<Subscription>::new();
    let mut followed = Vec::new();
    loop {
        tokio::select! {
            symbol = incoming.next() => match symbol {
                Some(symbol) => {
                    // Only those that exist, and each once: what a client says makes no channel.
                    let symbol = SYMBOLS.iter().find(|known| **known == symbol.as_str());
                    if let Some(symbol) = symbol && !followed.contains(symbol) {
                        followed.push(*symbol);
                        quotes.push(hub.channel(format!("quotes/{symbol}"))?.subscribe_recent(20).await.unwrap());
                    }
                }
                None => return Ok(()),
            },
            Some(quote) = quotes.next() => {
                // A page that was too slow goes on with the newest prices.
                if let Delivery::Publication(quote) = quote && let Data::Json(json) = quote.data {
                    outgoing.send(text(&json)).await?;
                }
            }
        }
    }
}

fn text(json: &JsonText) -> Text {
    json.as_str().to_owned().into()
}

const INDEX: &str = r#"<!doctype html>
<title>Ticker</title>
<p><button>KIKI</button> <button>FOO</button> <button>BAR</button></p>
<dl id="quotes"></dl>
<script>
  const socket = new WebSocket(new URL('/ticker', location.href.replace('http', 'ws')))
  const shown = {}
  socket.onmessage = (event) => {
    const { symbol, price } = JSON.parse(event.data)
    if (!shown[symbol]) {
      const name = document.createElement('dt')
      name.textContent = symbol
      shown[symbol] = document.createElement('dd')
      document.getElementById('quotes').append(name, shown[symbol])
    }
    shown[symbol].textContent = price.toFixed(2)
  }
  for (const button of document.querySelectorAll('button')) {
    button.onclick = () => socket.send(button.textContent)
  }
</script>
"#;
