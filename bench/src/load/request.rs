//! What a subscriber asks for.

use std::net::SocketAddr;

use crate::{BoxError, cli::SubscribeOpts, http::Url, transport::Transport, ws};

/// A request, and where it goes.
pub(super) struct Request {
    pub(super) address: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl Request {
    pub(super) fn new(opts: &SubscribeOpts, channel: usize) -> Result<Self, BoxError> {
        let url = opts.url.replace("{channel}", &channel.to_string());
        let mut headers = opts.headers.clone();
        if opts.transport != Transport::Ws {
            headers.push(format!("Accept: {}", opts.transport.media_type()));
            return Self::get(&Url::parse(&url)?, &headers);
        }
        Self::web_socket(&url, &headers)
    }

    pub(super) fn web_socket(url: &str, headers: &[String]) -> Result<Self, BoxError> {
        let mut headers = headers.to_vec();
        headers.extend([
            "Connection: Upgrade".to_owned(),
            "Upgrade: websocket".to_owned(),
            "Sec-WebSocket-Version: 13".to_owned(),
            format!("Sec-WebSocket-Key: {}", ws::KEY),
        ]);
        Self::get(&Url::parse(url)?, &headers)
    }

    fn get(url: &Url, headers: &[String]) -> Result<Self, BoxError> {
        let Url {
            address,
            host,
            path,
        } = url;
        let headers = headers.join("\r\n");
        let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n");
        Ok(Self {
            address: *address,
            bytes: text.into_bytes(),
        })
    }
}
