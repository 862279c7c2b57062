//! The server's side: read what a client offers, answer it.

use super::{accept_key, header::is_token, only, tokens};
use crate::excerpt;
use crate::ws::deflate::{self, Agreement};
use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};

/// RFC 6455 itself has a key whose last character carries bits that belong to no byte.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A request that opens a WebSocket.
///
/// ```
/// use encke_proto::ws::handshake::Offer;
/// use http::Request;
///
/// let request = Request::get("/ws")
///     .header("Connection", "keep-alive, Upgrade")
///     .header("Upgrade", "websocket")
///     .header("Sec-WebSocket-Version", "13")
///     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())?;
/// let accepted = Offer::read(&request)?.accept(None, None)?;
/// assert_eq!(accepted.status, 101);
/// assert_eq!(accepted.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Offer {
    /// What to say in `Sec-WebSocket-Accept`; HTTP/2 has no such thing.
    accept: Option<HeaderValue>,
    protocols: Vec<String>,
    extensions: HeaderMap,
}

impl Offer {
    /// Reads an HTTP/1.1 request.
    ///
    /// # Errors
    ///
    /// When it does not open a WebSocket, or does so wrongly.
    /// [`HandshakeError::response`] is what to answer.
    pub fn read<B>(request: &http::Request<B>) -> Result<Self, HandshakeError> {
        Self::from_parts(request.method(), request.version(), request.headers())
    }

    /// Reads method, version and headers of an HTTP/1.1 request.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn from_parts(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, HandshakeError> {
        let lists = |name, token: &str| {
            tokens(headers, &name).any(|listed| listed.eq_ignore_ascii_case(token))
        };
        if version < Version::HTTP_11
            || !lists(header::UPGRADE, "websocket")
            || !lists(header::CONNECTION, "upgrade")
        {
            return Err(HandshakeError::NotWebSocket);
        }
        if method != Method::GET {
            return Err(HandshakeError::Method(method.clone()));
        }
        check_version(headers)?;
        let key = only(headers, &header::SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?;
        let decoded = KEY.decode(key).map_err(|_| HandshakeError::Key)?;
        if decoded.len() != 16 {
            return Err(HandshakeError::Key);
        }
        let accept = HeaderValue::try_from(accept_key(key.as_bytes()));
        Ok(Self {
            accept: Some(accept.expect("base64 may stand in a header")),
            ..Self::from_headers(headers)
        })
    }

    /// Reads the headers of an extended CONNECT whose `:protocol` is `websocket` (RFC 8441).
    ///
    /// # Errors
    ///
    /// When the version is not 13.
    pub fn from_extended_connect(headers: &HeaderMap) -> Result<Self, HandshakeError> {
        check_version(headers)?;
        Ok(Self::from_headers(headers))
    }

    fn from_headers(headers: &HeaderMap) -> Self {
        let protocols = tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL);
        let mut extensions = HeaderMap::new();
        for line in headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS) {
            extensions.append(header::SEC_WEBSOCKET_EXTENSIONS, line.clone());
        }
        Self {
            accept: None,
            protocols: protocols
                .filter(|name| is_token(name))
                .map(str::to_owned)
                .collect(),
            extensions,
        }
    }

    /// The subprotocols the client speaks, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    /// The answer that opens the socket.
    ///
    /// Without a `subprotocol` the header is left out: browsers that offered some then refuse.
    /// Without `deflate`, or where no offer fits, messages are not compressed.
    ///
    /// # Errors
    ///
    /// When the client did not offer the subprotocol, in these very letters.
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        deflate: Option<&deflate::Config>,
    ) -> Result<Accepted, UnofferedSubprotocol> {
        let mut headers = HeaderMap::new();
        if let Some(chosen) = subprotocol {
            let unoffered = || UnofferedSubprotocol(excerpt(chosen));
            let offered = self.subprotocols().find(|offered| *offered == chosen);
            let value = HeaderValue::from_str(offered.ok_or_else(unoffered)?);
            headers.insert(
                header::SEC_WEBSOCKET_PROTOCOL,
                value.map_err(|_| unoffered())?,
            );
        }
        let agreed = deflate.and_then(|config| deflate::accept(&self.extensions, config));
        let deflate = agreed.map(|(agreement, answer)| {
            let answer = HeaderValue::try_from(answer).expect("written from tokens");
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, answer);
            agreement
        });
        let status = match &self.accept {
            Some(accept) => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.clone());
                StatusCode::SWITCHING_PROTOCOLS
            }
            None => StatusCode::OK,
        };
        Ok(Accepted {
            status,
            headers,
            deflate,
        })
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let version = only(headers, &header::SEC_WEBSOCKET_VERSION);
    if version.is_some_and(|version| version == "13") {
        Ok(())
    } else {
        let version = version.map(|version| String::from_utf8_lossy(version.as_bytes()));
        Err(HandshakeError::Version(excerpt(
            &version.unwrap_or_default(),
        )))
    }
}

/// The answer to an accepted [`Offer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Accepted {
    /// 101, or 200 over HTTP/2.
    pub status: StatusCode,
    /// The headers of the handshake.
    pub headers: HeaderMap,
    /// What was agreed on for compression, for [`Connection`](crate::ws::Connection).
    pub deflate: Option<Agreement>,
}

/// Whether a header belongs to the handshake, so that an application may not set it on the answer.
pub fn is_reserved(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || name.as_str().starts_with("sec-websocket-")
}

/// Why a request opens no WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It does not ask for one.
    #[error("the request does not upgrade to a WebSocket")]
    NotWebSocket,
    /// It is no GET.
    #[error("a WebSocket is opened by GET, not by {0}")]
    Method(Method),
    /// It speaks another version, or none or several.
    #[error("version {0:?} of the WebSocket protocol is not spoken here")]
    Version(String),
    /// Its key is missing, comes twice or is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
}

impl HandshakeError {
    /// The answer: 426 where upgrading, or upgrading to version 13, would help, else 400.
    pub fn response(&self) -> Response<String> {
        let (status, body) = match self {
            Self::NotWebSocket => (
                StatusCode::UPGRADE_REQUIRED,
                "Upgrade to WebSocket required".to_owned(),
            ),
            Self::Version(_) => (StatusCode::UPGRADE_REQUIRED, self.to_string()),
            Self::Method(_) | Self::Key => (StatusCode::BAD_REQUEST, self.to_string()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, text);
        if status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            let version = HeaderValue::from_static("13");
            headers.insert(header::SEC_WEBSOCKET_VERSION, version);
        }
        response
    }
}

/// The application chose a subprotocol that the client does not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("subprotocol {0:?} was not offered by the client")]
pub struct UnofferedSubprotocol(String);
