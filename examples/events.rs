//! Server-Sent Events with ids: a browser that reconnects goes on where it was.

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use encke::{Event, EventSource, LastEventId};
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
        .route("/events", get(events))
}

/// Ends after ten events; the browser comes back for the next.
async fn events(last: Option<LastEventId>) -> EventSource {
    let seen: u32 = last
        .and_then(|id| id.as_str().parse().ok())
        .unwrap_or_default();
    let seen = u64::from(seen);
    let names = ["kiki", "foo", "bar"]
        .into_iter()
        .cycle()
        .skip((seen % 3) as usize);
    let events = (seen + 1..).zip(names).take(10);
    let events = stream::iter(events).throttle(Duration::from_secs(1));
    EventSource::new(events.map(|(id, name)| {
        let event = Event::new().id(id.to_string())?;
        Ok::<_, encke::InvalidEvent>(event.retry(Duration::from_secs(1)).data(name))
    }))
    .keep_alive(Duration::from_secs(25))
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

const INDEX: &str = r#"<!doctype html>
<title>Server-Sent Events</title>
<ul id="received"></ul>
<script>
  new EventSource('/events').onmessage = (event) => {
    const item = document.createElement('li')
    item.textContent = event.lastEventId + ': ' + event.data
    document.getElementById('received').append(item)
  }
</script>
"#;
