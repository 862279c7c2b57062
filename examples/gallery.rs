//! Every response type behind one URL, driven by the query, for people and tests to poke at.
//!
//! ```text
//! /chunked?item=kiki&item=foo[&type=text/html]
//! /comet?callback=parent.cometMessage&string=kiki&json={"foo":1}
//!       [&nonce=N][&delay=MS][&keep_alive=MS][&prelude=play|default|none]
//! /sse?event={"data":…,"id":…,"event":…,"retry":…,"comment":…}[&delay=MS][&keep_alive=MS]
//! /ws/echo /ws/text /ws/binary /ws/json /ws/hello /ws/hello-close /ws/close?code=4001&reason=x
//! /ws/fail /ws/reject /ws/protocols?choose=B /ws/headers /ws/slow    each with [?origin=any]
//! ```
//!
//! `string`, `json`, `item` and `event` are repeatable and sent in the order of the query, each
//! after `delay`. It sends whatever it is told, HTML and callbacks included, so it belongs on no
//! public address.

#[path = "gallery/sockets.rs"]
mod sockets;

use std::time::Duration;

use axum::{
    Router,
    extract::RawQuery,
    response::{Html, IntoResponse},
    routing::get,
};
use encke::{
    BadRequest, Chunked, Comet, CometMessage, Event, EventSource, Expression, Json, MessageError,
    Nonce, Prelude, SecurityHeaders,
};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, header::CONTENT_SECURITY_POLICY};
use serde::Deserialize;
use serde_json::value::RawValue;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    encke::serve(listener, app())
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}

/// The gallery, to be served anywhere.
pub fn app() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/chunked", get(chunked))
        .route("/comet", get(comet))
        .route("/sse", get(sse))
        .merge(sockets::routes())
        .layer(SecurityHeaders::default().no_content_security_policy())
}

async fn index() -> Html<&'static str> {
    Html(INDEX)
}

async fn chunked(RawQuery(query): RawQuery) -> Result<Chunked, BadRequest> {
    let query = Query::new(query);
    let chunked = Chunked::text(stream::iter(query.all("item")));
    match query.one("type", HeaderValue::try_from)? {
        Some(content_type) => Ok(chunked.content_type(content_type)),
        None => Ok(chunked),
    }
}

async fn comet(RawQuery(query): RawQuery) -> Result<impl IntoResponse, BadRequest> {
    let query = Query::new(query);
    let comet = query.one("callback", |callback| Comet::new(&callback))?;
    let mut comet = comet.ok_or_else(|| BadRequest::parameter("callback", "missing"))?;
    let nonce = query.one("nonce", |nonce| Nonce::new(&nonce))?;
    let policy = nonce.as_ref().map(|nonce| {
        let policy = format!("script-src 'nonce-{nonce}'; frame-ancestors 'self'");
        [(CONTENT_SECURITY_POLICY, policy)]
    });
    if let Some(nonce) = nonce {
        comet = comet.nonce(nonce);
    }
    if let Some(prelude) = query.one("prelude", prelude)? {
        comet = comet.prelude(prelude);
    }
    if let Some(period) = query.milliseconds("keep_alive")? {
        comet = comet.keep_alive(period);
    }
    let messages = query.each(Message::of)?;
    Ok((policy, comet.messages(query.delayed(messages)?)))
}

async fn sse(RawQuery(query): RawQuery) -> Result<EventSource, BadRequest> {
    let query = Query::new(query);
    let events = query.each(|name, value| (name == "event").then(|| event(value)))?;
    let events = EventSource::new(query.delayed(events)?);
    let period = query.milliseconds("keep_alive")?;
    Ok(events.keep_alive(period.unwrap_or_default()))
}

fn prelude(name: String) -> Result<Prelude, &'static str> {
    match name.as_str() {
        "play" => Ok(Prelude::play()),
        "default" => Ok(Prelude::default()),
        "none" => Ok(Prelude::none()),
        _ => Err("neither play, default nor none"),
    }
}

/// A Comet message of the query; JSON keeps its digits.
enum Message {
    String(String),
    Json(Json<Box<RawValue>>),
}

impl Message {
    fn of(name: &str, value: &str) -> Option<Result<Self, BadRequest>> {
        match name {
            "string" => Some(Ok(Self::String(value.into()))),
            "json" => Some(match serde_json::from_str(value) {
                Ok(value) => Ok(Self::Json(Json(value))),
                Err(error) => Err(BadRequest::parameter("json", error)),
            }),
            _ => None,
        }
    }
}

impl CometMessage for Message {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        match self {
            Self::String(text) => text.write(expression),
            Self::Json(json) => json.write(expression),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFields {
    data: Option<Box<RawValue>>,
    id: Option<Box<RawValue>>,
    event: Option<String>,
    retry: Option<u64>,
    comment: Option<String>,
}

fn event(json: &str) -> Result<Event, BadRequest> {
    let invalid = |error| BadRequest::parameter("event", error);
    let fields: EventFields =
        serde_json::from_str(json).map_err(|error| BadRequest::parameter("event", error))?;
    let mut event = Event::new();
    if let Some(name) = fields.event {
        event = event.event(name).map_err(invalid)?;
    }
    if let Some(id) = fields.id {
        event = event.id(text(&id)).map_err(invalid)?;
    }
    if let Some(milliseconds) = fields.retry {
        event = event.retry(Duration::from_millis(milliseconds));
    }
    if let Some(data) = fields.data {
        event = event.data(text(&data));
    }
    if let Some(comment) = fields.comment {
        event = event.comment(comment);
    }
    Ok(event)
}

/// What a JSON string says, or else the JSON itself.
fn text(json: &RawValue) -> String {
    serde_json::from_str(json.get()).unwrap_or_else(|_| json.get().into())
}

/// The parameters of a request, in order.
struct Query(Vec<(String, String)>);

impl Query {
    fn new(query: Option<String>) -> Self {
        Self(
            form_urlencoded::parse(query.unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.clone()).collect()
    }

    /// The one value of a parameter, if it is there.
    fn one<T, E: ToString>(
        &self,
        name: &str,
        read: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<Option<T>, BadRequest> {
        let value = self.all(name).into_iter().next();
        let value = value.map(read).transpose();
        value.map_err(|error| BadRequest::parameter(name, error.to_string()))
    }

    fn milliseconds(&self, name: &str) -> Result<Option<Duration>, BadRequest> {
        let milliseconds = self.one(name, |value| value.parse::<u64>())?;
        Ok(milliseconds.map(Duration::from_millis))
    }

    /// What `read` makes of the parameters it knows.
    fn each<T>(
        &self,
        read: impl Fn(&str, &str) -> Option<Result<T, BadRequest>>,
    ) -> Result<Vec<T>, BadRequest> {
        self.0
            .iter()
            .filter_map(|(name, value)| read(name, value))
            .collect()
    }

    fn delayed<T: Send + 'static>(
        &self,
        items: Vec<T>,
    ) -> Result<impl Stream<Item = T> + Send + use<T>, BadRequest> {
        let delay = self.milliseconds("delay")?.unwrap_or_default();
        Ok(stream::iter(items).then(move |item| async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            item
        }))
    }
}

const INDEX: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>encke: the gallery</title>
<h1>The gallery</h1>
<ul>
  <li><a href="/chunked?item=kiki&item=foo&item=bar">/chunked?item=kiki&amp;item=foo&amp;item=bar</a>
  <li><a href="/comet?callback=console.log&string=kiki&string=foo&json={%22bar%22:1}">/comet?callback=console.log&amp;string=kiki&amp;string=foo&amp;json={"bar":1}</a>
  <li><a href="/sse?event={%22data%22:%22kiki%22}&event={%22data%22:%22foo%22,%22id%22:%227%22}">/sse?event={"data":"kiki"}&amp;event={"data":"foo","id":"7"}</a>
</ul>
<p>The forever iframe of this page received:</p>
<ol id="received"></ol>
<script>
  function cometMessage(event) {
    const item = document.createElement('li')
    item.textContent = JSON.stringify(event)
    document.getElementById('received').append(item)
  }
  addEventListener('load', () => setTimeout(() => {
    const iframe = document.createElement('iframe')
    iframe.hidden = true
    iframe.src = '/comet?callback=parent.cometMessage&delay=1000&string=kiki&string=foo&json={"bar":1}'
    document.body.append(iframe)
  }))
</script>
"#;
