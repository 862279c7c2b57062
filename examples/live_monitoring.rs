//! Live monitoring: three streams merged into one response, each at its own pace.
//!
//! Messages are `N:rps` (requests per second), `N:cpu` (per cent) and `N:memory` (MiB). The last
//! two are read from `/proc`, and stay silent where there is none.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, middleware, response::Html, routing::get};
use encke::{BadRequest, Comet};
use futures_util::future::ready;
use tokio::time::interval;
use tokio_stream::{Stream, StreamExt, wrappers::IntervalStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app()).await
}

type Requests = Arc<AtomicU64>;

fn app() -> Router {
    let requests = Requests::default();
    let counted = requests.clone();
    let count = middleware::map_request(move |request: axum::extract::Request| {
        counted.fetch_add(1, Ordering::Relaxed);
        ready(request)
    });
    Router::new()
        .route("/", get(index))
        .route("/monitoring", get(monitoring))
        .layer(count)
        .with_state(requests)
}

async fn monitoring(State(requests): State<Requests>) -> Result<Comet, BadRequest> {
    let messages = requests_per_second(requests).merge(cpu()).merge(memory());
    Ok(Comet::new("parent.message")?.string(messages))
}

fn every(period: Duration) -> IntervalStream {
    IntervalStream::new(interval(period))
}

fn requests_per_second(requests: Requests) -> impl Stream<Item = String> {
    let mut before = requests.load(Ordering::Relaxed);
    every(Duration::from_secs(1)).map(move |_| {
        let now = requests.load(Ordering::Relaxed);
        let new = now - before;
        before = now;
        format!("{new}:rps")
    })
}

fn cpu() -> impl Stream<Item = String> {
    let mut before = cpu_ticks().unwrap_or_default();
    every(Duration::from_millis(500)).filter_map(move |_| {
        let now = cpu_ticks()?;
        // A tick is a hundredth of a second.
        let percent = (now - before) * 2;
        before = now;
        Some(format!("{percent}:cpu"))
    })
}

/// The time this process has spent in user and in system mode.
fn cpu_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = after_name.next()?.parse().ok()?;
    let system: u64 = after_name.next()?.parse().ok()?;
    Some(user + system)
}

fn memory() -> impl Stream<Item = String> {
    every(Duration::from_secs(2)).filter_map(|_| {
        let statm = fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        Some(format!("{}:memory", pages * 4 / 1024))
    })
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

const INDEX: &str = r#"<!doctype html>
<title>Live monitoring</title>
<p><output id="rps"></output> requests per second
<p><output id="cpu"></output> % of a processor
<p><output id="memory"></output> MiB
<script>
  function message(event) {
    const [value, name] = event.split(':')
    document.getElementById(name).textContent = value
  }
  addEventListener('load', () => setTimeout(() => {
    const iframe = document.createElement('iframe')
    iframe.hidden = true
    iframe.src = '/monitoring'
    document.body.append(iframe)
  }))
</script>
"#;
