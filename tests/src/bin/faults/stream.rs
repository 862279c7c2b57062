//! A session as its client sees it: items with their channel and position, over any transport.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use encke::websocket::{Client, Incoming, Text};
use encke::{Channel, Position};
use encke_proto::Since;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::exchange::{self, Body, Receives, odd};

/// How bytes look on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    Comet,
    Ndjson,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::WebSocket, Self::Sse, Self::Comet, Self::Ndjson];
}

/// Where a session begins.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Head,
    Recent(usize),
    Position(String),
}

/// What a session is told.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where every channel of the session stands behind it.
    pub(crate) positions: Vec<Position>,
    pub(crate) token: String,
    pub(crate) told: Told,
}

#[derive(Debug)]
pub(crate) enum Told {
    /// Where it stands.
    Opened,
    Publication {
        channel: String,
        position: Position,
        data: Value,
    },
    Gap {
        channel: String,
        from: Option<u64>,
        to: Position,
    },
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum NoSession {
    Refused(StatusCode),
    Broken(io::Error),
}

impl From<io::Error> for NoSession {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// An open session.
pub(crate) struct Stream {
    channels: Vec<Channel>,
    kind: Kind,
}

enum Kind {
    Body(Transport, Body),
    WebSocket(Incoming<Text>),
}

/// Longest message of a WebSocket, above the largest publication.
const MAX_MESSAGE: usize = 256 << 10;

impl Stream {
    /// Opens one, as a browser does that continues from what it was told last.
    pub(crate) async fn open(
        address: SocketAddr,
        transport: Transport,
        channels: &[&str],
        since: &Start,
        receives: Receives,
    ) -> Result<Self, NoSession> {
        let mut target = "/live?envelope=1".to_owned();
        for channel in channels {
            let _ = write!(target, "&channel={}", encoded(channel));
        }
        let mut headers = String::new();
        match since {
            Start::Head => {}
            Start::Recent(count) => {
                let _ = write!(target, "&history={count}");
            }
            Start::Position(token) if transport == Transport::Sse => {
                headers = format!("last-event-id: {token}\r\n");
            }
            Start::Position(token) => {
                let _ = write!(target, "&since={}", encoded(token));
            }
        }
        let client = Client::new().max_message(MAX_MESSAGE);
        match transport {
            Transport::WebSocket => {
                for (name, value) in &client.headers() {
                    let _ = write!(
                        headers,
                        "{name}: {}\r\n",
                        value.to_str().unwrap_or_default()
                    );
                }
            }
            Transport::Sse => headers.push_str("accept: text/event-stream\r\n"),
            Transport::Comet => target.push_str("&callback=parent.told"),
            Transport::Ndjson => target.push_str("&transport=ndjson"),
        }
        let request = format!("GET {target} HTTP/1.1\r\n{headers}");
        let (head, connection) = exchange::ask(address, receives, &request, b"").await?;
        let kind = match (transport, head.status()) {
            (Transport::WebSocket, StatusCode::SWITCHING_PROTOCOLS) => {
                let opened = client.open(&head, connection);
                let (incoming, _) = opened.map_err(|error| odd(&error.to_string()))?;
                Kind::WebSocket(incoming)
            }
            (Transport::Sse | Transport::Comet | Transport::Ndjson, StatusCode::OK) => {
                Kind::Body(transport, Body::new(connection))
            }
            (_, status) => return Err(NoSession::Refused(status)),
        };
        let names = channels.iter().map(Channel::new);
        Ok(Self {
            channels: names.collect::<Result<_, _>>().expect("names of channels"),
            kind,
        })
    }

    /// What the session is told next, no item being a sign of life; `None` where the server ended it.
    ///
    /// Cancel safe.
    pub(crate) async fn next_or_alive(&mut self) -> io::Result<Option<Option<Item>>> {
        let text = match &mut self.kind {
            Kind::WebSocket(incoming) => incoming.next().await.map(|text| text.to_string()),
            Kind::Body(Transport::Sse, body) => body.until(b"\n\n").await?,
            Kind::Body(Transport::Comet, body) => body.until(b"</script>").await?,
            Kind::Body(_, body) => body.until(b"\n").await?,
        };
        let Some(text) = text else { return Ok(None) };
        let json = match &self.kind {
            Kind::Body(Transport::Sse, _) => event(&text),
            Kind::Body(Transport::Comet, _) => call(&text),
            _ => text,
        };
        match json.is_empty() {
            true => Ok(Some(None)),
            false => Ok(Some(Some(self.item(&json)?))),
        }
    }

    fn item(&self, json: &str) -> io::Result<Item> {
        let no_item = || odd(json);
        // What follows the first value in Comet is said about it, and in it too.
        let mut values = serde_json::Deserializer::from_str(json).into_iter();
        let Some(Ok::<Value, _>(mut item)) = values.next() else {
            return Err(no_item());
        };
        let token = item["position"].as_str().ok_or_else(no_item)?.to_owned();
        let positions = Since::parse(&token).and_then(|since| since.positions(&self.channels));
        let positions = positions.map_err(|_| no_item())?;
        let channel = item["channel"].as_str().unwrap_or_default().to_owned();
        let told = if let Some(gap) = item.get("gap") {
            Told::Gap {
                from: gap["from"].as_u64(),
                to: position(gap, "to").ok_or_else(no_item)?,
                channel,
            }
        } else if item.get("data").is_some() {
            Told::Publication {
                position: position(&item, "offset").ok_or_else(no_item)?,
                data: item["data"].take(),
                channel,
            }
        } else {
            Told::Opened
        };
        Ok(Item {
            positions,
            token,
            told,
        })
    }
}

fn position(item: &Value, offset: &str) -> Option<Position> {
    let epoch = item["epoch"].as_str()?.parse().ok()?;
    Some(Position::new(epoch, item[offset].as_u64()?))
}

/// The item of a Server-Sent Event: the first one is a position alone.
fn event(event: &str) -> String {
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    match (field("event: "), field("data: "), field("id: ")) {
        (Some("position"), _, Some(id)) => format!("{{\"position\":\"{id}\"}}"),
        (_, Some(data), Some(_)) => data.to_owned(),
        (_, None, None) => String::new(),
        _ => event.to_owned(),
    }
}

/// The item that a script calls back with; the first script has a position alone.
fn call(script: &str) -> String {
    if let Some((_, item)) = script.split_once("parent.told(") {
        return item.to_owned();
    }
    match script.split_once("window.encke={position:'") {
        Some((_, rest)) => {
            let token = rest.split('\'').next().unwrap_or_default();
            format!("{{\"position\":\"{token}\"}}")
        }
        None => String::new(),
    }
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
