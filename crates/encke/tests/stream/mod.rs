//! A stream on one channel over any transport of HTTP, by what it says.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use crate::listener::Listener;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A transport, by what a test needs of it: where the stream stands and what an item is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    Sse,
    Ndjson,
    Comet,
}

pub const TRANSPORTS: [Over; 3] = [Over::Sse, Over::Ndjson, Over::Comet];

/// What a stream gave: an offset, a gap, or the session's first word.
#[derive(Debug, PartialEq)]
pub enum Given {
    Opened,
    Data(String),
    Gap(Option<u64>, u64),
}

/// A stream on one channel, over any transport.
pub struct Stream {
    pub over: Over,
    pub listener: Listener,
    /// The position said last.
    pub position: String,
}

impl Stream {
    /// Listens to `news`, and hears where the stream stands.
    pub async fn open(address: SocketAddr, over: Over, query: &str) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        Self::through(socket, over, query).await
    }

    /// As [`open`](Self::open), through a socket that was prepared before.
    pub async fn through(socket: TcpStream, over: Over, query: &str) -> Self {
        let transport = match over {
            Over::Sse => "transport=sse",
            Over::Ndjson => "transport=ndjson",
            Over::Comet => "callback=parent.news",
        };
        let path = format!("/live/news?{transport}&{query}");
        let listener = Listener::over(socket, &path, "").await;
        let mut stream = Self {
            over,
            listener,
            position: String::new(),
        };
        assert_eq!(stream.next().await, Given::Opened);
        stream
    }

    pub async fn next(&mut self) -> Given {
        match self.over {
            Over::Sse => self.next_event().await,
            Over::Ndjson => self.next_item().await,
            Over::Comet => self.next_call().await,
        }
    }

    async fn next_event(&mut self) -> Given {
        let event = self.listener.event().await;
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        self.position = field("id: ").unwrap().to_owned();
        let Some(data) = field("data: ") else {
            return Given::Opened;
        };
        match field("event: ") {
            Some("gap") => gap(&serde_json::from_str(data).unwrap()),
            _ => Given::Data(data.to_owned()),
        }
    }

    async fn next_item(&mut self) -> Given {
        let item = self.listener.item().await;
        self.position = item["position"].as_str().unwrap().to_owned();
        match (&item["data"], &item["gap"]) {
            (Value::String(data), _) => Given::Data(data.clone()),
            (_, Value::Null) => Given::Opened,
            (_, missing) => gap(missing),
        }
    }

    async fn next_call(&mut self) -> Given {
        let script = self.listener.script().await;
        let (before, after) = script.rsplit_once("position:'").unwrap();
        let (position, after) = after.split_once('\'').unwrap();
        self.position = position.to_owned();
        let Some(argument) = before.strip_prefix("parent.news(") else {
            return Given::Opened;
        };
        match after.split_once("gap:") {
            Some((_, missing)) => {
                let (missing, _) = missing.split_once('}').unwrap();
                gap(&serde_json::from_str(&format!("{missing}}}")).unwrap())
            }
            None => Given::Data(
                argument
                    .trim_end_matches("',{")
                    .trim_start_matches('\'')
                    .to_owned(),
            ),
        }
    }
}

fn gap(gap: &Value) -> Given {
    Given::Gap(gap["from"].as_u64(), gap["to"].as_u64().unwrap())
}
