//! A clock that ticks ten times a second, over a Comet socket and over Server-Sent Events.
//!
//! The page runs under a Content-Security-Policy: its scripts, and those of the Comet socket,
//! carry the nonce of their own response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{Router, response::Html, routing::get};
use encke::{BadRequest, Comet, CspNonce, EventSource, SecurityHeaders};
use futures_util::{Stream, StreamExt};
use tokio::time::interval;
use tokio_stream::wrappers::IntervalStream;

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
        .route("/events", get(events))
        .layer(SecurityHeaders::default())
}

fn clock() -> impl Stream<Item = String> {
    IntervalStream::new(interval(Duration::from_millis(100))).map(|_| time_of_day())
}

/// `HH mm ss`, in UTC.
fn time_of_day() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    format!(
        "{:02} {:02} {:02}",
        now / 3600 % 24,
        now / 60 % 60,
        now % 60
    )
}

async fn comet(nonce: CspNonce) -> Result<Comet, BadRequest> {
    Ok(Comet::new("parent.clockChanged")?
        .string(clock())
        .nonce(nonce))
}

async fn events() -> EventSource {
    EventSource::new(clock())
}

async fn index(nonce: CspNonce) -> Html<String> {
    Html(INDEX.replace("{nonce}", nonce.as_str()))
}

const INDEX: &str = r#"<!doctype html>
<title>The clock</title>
<p>Comet: <output id="comet"></output>
<p>Server-Sent Events: <output id="events"></output>
<script nonce="{nonce}">
  function clockChanged(time) {
    document.getElementById('comet').textContent = time
  }
  addEventListener('load', () => setTimeout(() => {
    const iframe = document.createElement('iframe')
    iframe.hidden = true
    iframe.src = '/comet'
    document.body.append(iframe)
  }))
  new EventSource('/events').onmessage = (event) => {
    document.getElementById('events').textContent = event.data
  }
</script>
"#;
