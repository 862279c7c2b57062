//! What a subscriber asks for.

use std::net::SocketAddr;

use super::listener::Offsets;
use crate::{BoxError, cli::SubscribeOpts, http::Url, transport::Transport, ws};

/// A request, and where it goes.
pub(super) struct Request {
    url: Url,
    headers: Vec<String>,
    pub(super) offsets: Offsets,
}

impl Request {
    pub(super) fn new(opts: &SubscribeOpts, channel: usize) -> Result<Self, BoxError> {
        let url = opts.url.replace("{channel}", &channel.to_string());
        let mut headers = opts.headers.clone();
        if opts.transport == Transport::Ws {
            return Self::web_socket(&url, &headers);
        }
        headers.push(format!("Accept: {}", opts.transport.media_type()));
        let offsets = match opts.offsets {
            true if opts.transport == Transport::Ndjson => Offsets::After(None),
            true => return Err("offsets are checked over ndjson only".into()),
            false => Offsets::Ignored,
        };
        Ok(Self {
            url: Url::parse(&url)?,
            headers,
            offsets,
        })
    }

    pub(super) fn web_socket(url: &str, headers: &[String]) -> Result<Self, BoxError> {
        let mut headers = headers.to_vec();
        headers.extend([
            "Connection: Upgrade".to_owned(),
            "Upgrade: websocket".to_owned(),
            "Sec-WebSocket-Version: 13".to_owned(),
            format!("Sec-WebSocket-Key: {}", ws::KEY),
        ]);
        Ok(Self {
            url: Url::parse(url)?,
            headers,
            offsets: Offsets::Ignored,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.url.address
    }

    /// As it is said over HTTP/1.1.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Url { host, path, .. } = &self.url;
        let headers = self.headers.join("\r\n");
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n").into_bytes()
    }

    /// As it is said over HTTP/2, in literals (RFC 7541).
    pub(super) fn header_block(&self) -> Vec<u8> {
        // GET, over https.
        let mut block = vec![0x82, 0x87];
        let pseudo = [(":path", &self.url.path), (":authority", &self.url.host)];
        for (name, value) in pseudo {
            literal(name, value, &mut block);
        }
        for header in &self.headers {
            let (name, value) = header.split_once(':').unwrap_or((header, ""));
            literal(&name.to_ascii_lowercase(), value.trim(), &mut block);
        }
        block
    }
}

/// A header that no table is to remember.
fn literal(name: &str, value: &str, into: &mut Vec<u8>) {
    into.push(0);
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(length @ 0..=126) => into.push(length),
            // Seven bits are full: what is more follows, in groups of seven.
            _ => {
                into.push(127);
                let mut rest = text.len() - 127;
                while rest > 127 {
                    into.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                into.push(rest as u8);
            }
        }
        into.extend_from_slice(text.as_bytes());
    }
}
