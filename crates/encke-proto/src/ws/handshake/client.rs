//! The client's side: what to ask, and whether the answer is one.

use super::{accept_key, header::is_token, only, tokens};
use crate::excerpt;
use crate::ws::deflate::{self, Agreement, InvalidAnswer};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// A client's handshake over HTTP/1.1.
#[derive(Debug, Clone)]
pub struct ClientHandshake {
    key: String,
    protocols: Vec<String>,
    deflate: Option<deflate::Config>,
}

impl ClientHandshake {
    /// A handshake with this key, which must be random and new for every connection.
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key: STANDARD.encode(key),
            protocols: Vec::new(),
            deflate: None,
        }
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    ///
    /// When its name is empty or has characters that are not allowed in a header's token.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, InvalidSubprotocol> {
        if !is_token(name) {
            return Err(InvalidSubprotocol(excerpt(name)));
        }
        self.protocols.push(name.to_owned());
        Ok(self)
    }

    /// Offers compression.
    #[must_use]
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.deflate = Some(config);
        self
    }

    /// The headers that make a GET a handshake; `Host` is the caller's.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value =
            |text: String| HeaderValue::try_from(text).expect("written from tokens and base64");
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let version = HeaderValue::from_static("13");
        headers.insert(header::SEC_WEBSOCKET_VERSION, version);
        headers.insert(header::SEC_WEBSOCKET_KEY, value(self.key.clone()));
        if !self.protocols.is_empty() {
            let protocols = value(self.protocols.join(", "));
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocols);
        }
        if let Some(config) = &self.deflate {
            let offer = value(deflate::offer(config));
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, offer);
        }
        headers
    }

    /// Reads the server's answer.
    ///
    /// # Errors
    ///
    /// When it refuses, or accepts what was not asked.
    pub fn read_answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Established, AnswerError> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(AnswerError::Refused(status));
        }
        let upgraded = only(headers, &header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let connection =
            tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
        if !upgraded || !connection {
            return Err(AnswerError::NotUpgraded);
        }
        let accept = only(headers, &header::SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|accept| accept != accept_key(self.key.as_bytes()).as_str()) {
            return Err(AnswerError::Accept);
        }
        let subprotocol = match headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
            None => None,
            Some(value) => {
                let chosen = only(headers, &header::SEC_WEBSOCKET_PROTOCOL)
                    .and_then(|chosen| chosen.to_str().ok())
                    .filter(|chosen| self.protocols.iter().any(|offered| offered == chosen));
                let unoffered = || excerpt(&String::from_utf8_lossy(value.as_bytes()));
                let chosen = chosen.ok_or_else(|| AnswerError::Subprotocol(unoffered()))?;
                Some(chosen.to_owned())
            }
        };
        let deflate = deflate::read_answer(headers, self.deflate.as_ref())?;
        Ok(Established {
            subprotocol,
            deflate,
        })
    }
}

/// What client and server agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// The server's choice among the offered subprotocols.
    pub subprotocol: Option<String>,
    /// What was agreed on for compression, for [`Connection`](crate::ws::Connection).
    pub deflate: Option<Agreement>,
}

/// Why a server's answer opens no WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The server says something else.
    #[error("the server answered {0}")]
    Refused(StatusCode),
    /// It says 101, but not to a WebSocket.
    #[error("the answer does not upgrade to a WebSocket")]
    NotUpgraded,
    /// It did not read our key.
    #[error("Sec-WebSocket-Accept does not belong to the key")]
    Accept,
    /// It chose a subprotocol that was not offered.
    #[error("subprotocol {0:?} was not offered")]
    Subprotocol(String),
    /// It chose extensions that were not offered.
    #[error(transparent)]
    Extensions(#[from] InvalidAnswer),
}

/// A name that no subprotocol can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a subprotocol")]
pub struct InvalidSubprotocol(String);
