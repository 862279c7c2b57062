//! HTTP to a server, for `pub` and `sub`.

use std::{error::Error, future::Future, io, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{CertificateError, ClientConfig};
use thiserror::Error;

use crate::token::Token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A refusal longer than this is no explanation.
const MAX_PROBLEM: usize = 16 << 10;

/// What stands for itself in a query (RFC 3986, 2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The slashes of a channel's name are those of its URL.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A server and what to say to be let in.
#[derive(Debug)]
pub(crate) struct Server {
    /// As it was typed.
    name: String,
    base: String,
    token: Option<Token>,
    tls: ClientConfig,
}

/// `--url` was given something that cannot be asked.
#[derive(Debug, Error)]
#[error("not the URL of a server: {0:?}, expected one such as http://127.0.0.1:9000")]
pub(crate) struct InvalidUrl(String);

/// The server did not do what it was asked.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("cannot reach {server}: {cause}")]
    Unreachable { server: String, cause: String },
    #[error("{server} refused: {status}: {detail}")]
    Refused {
        server: String,
        status: StatusCode,
        detail: String,
    },
    #[error("the connection to {server} was cut: {cause}")]
    Cut { server: String, cause: String },
    #[error(
        "the connection to {server} was cut: {cause}: continue with --since and the position that \
         was printed last"
    )]
    Interrupted { server: String, cause: String },
    #[error("{server} answered something unexpected: {answer}")]
    Unexpected { server: String, answer: String },
}

impl Server {
    pub(crate) fn new(
        url: &str,
        token: Option<Token>,
        tls: ClientConfig,
    ) -> Result<Self, InvalidUrl> {
        let no_server = || InvalidUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| no_server())?;
        let authority = uri.authority().ok_or_else(no_server)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(no_server());
        }
        let (scheme, place) = url.split_once("://").ok_or_else(no_server)?;
        let scheme = match &*scheme.to_ascii_lowercase() {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => return Err(no_server()),
        };
        let place = place.trim_end_matches('/');
        Ok(Self {
            name: url.trim_end_matches('/').to_owned(),
            base: format!("{scheme}://{place}"),
            token,
            tls,
        })
    }

    /// A request to the URL of a channel.
    pub(crate) fn request(
        &self,
        method: Method,
        channel: &str,
        query: &[(&str, &str)],
    ) -> request::Builder {
        let mut url = format!("{}/live/{}", self.base, utf8_percent_encode(channel, PATH));
        for (i, (name, value)) in query.iter().enumerate() {
            let separator = if i == 0 { '?' } else { '&' };
            url.push_str(&format!(
                "{separator}{name}={}",
                utf8_percent_encode(value, QUERY)
            ));
        }
        let request = Request::builder().method(method).uri(url);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.header()),
            None => request,
        }
    }

    /// Sends a request and returns a successful answer, or one that switches protocols.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        // It leaves https:// to what is around it.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let response = client
            .request(request)
            .await
            .map_err(|error| ClientError::Unreachable {
                server: self.name.clone(),
                cause: root_cause(&error),
            })?;
        if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        Err(ClientError::Refused {
            server: self.name.clone(),
            status: response.status(),
            detail: explanation(response).await,
        })
    }

    pub(crate) fn cut(&self, error: &(dyn Error + 'static)) -> ClientError {
        ClientError::Cut {
            server: self.name.clone(),
            cause: root_cause(error),
        }
    }

    /// What is told of a stream that was cut, and can be continued.
    pub(crate) fn interrupted(&self, cause: impl Into<String>) -> ClientError {
        ClientError::Interrupted {
            server: self.name.clone(),
            cause: cause.into(),
        }
    }

    /// Where it is, as it was typed.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn unexpected(&self, answer: &[u8]) -> ClientError {
        let answer = String::from_utf8_lossy(answer).chars().take(200).collect();
        ClientError::Unexpected {
            server: self.name.clone(),
            answer,
        }
    }
}

/// The detail of a JSON problem, or whatever the answer says.
async fn explanation(response: Response<Incoming>) -> String {
    let problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"));
    let Ok(body) = Limited::new(response.into_body(), MAX_PROBLEM)
        .collect()
        .await
    else {
        return "no explanation".to_owned();
    };
    let body = body.to_bytes();
    if problem
        && let Ok(problem) = serde_json::from_slice::<serde_json::Value>(&body)
        && let Some(detail) = problem["detail"].as_str()
    {
        return detail.to_owned();
    }
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// The innermost error, which says what happened; those around it say where in the client.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match refused_certificate(cause) {
        Some(CertificateError::UnknownIssuer) => {
            "its certificate is of an unknown issuer: give the issuer's with --ca FILE".to_owned()
        }
        _ => cause.to_string(),
    }
}

/// What is wrong with the server's certificate, where that is what happened.
fn refused_certificate<'a>(mut cause: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    while let Some(error) = cause.downcast_ref::<io::Error>() {
        cause = error.get_ref()?;
    }
    match cause.downcast_ref()? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

/// Runs one command of the client to its end; what it spawns goes on while its output is blocked.
pub(crate) fn block_on<F: Future>(command: F) -> io::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, InvalidUrl> {
        Server::new(url, None, crate::tls::client(None).unwrap())
    }

    fn uri(url: &str, channel: &str, query: &[(&str, &str)]) -> String {
        let server = server(url).unwrap();
        let request = server
            .request(Method::GET, channel, query)
            .body(())
            .unwrap();
        request.uri().to_string()
    }

    #[test]
    fn a_channels_name_becomes_its_url() {
        let at = |channel| uri("http://localhost:9000", channel, &[]);
        assert_eq!(at("news"), "http://localhost:9000/live/news");
        assert_eq!(at("a/b c"), "http://localhost:9000/live/a/b%20c");
        assert_eq!(at("50%?#ü"), "http://localhost:9000/live/50%25%3F%23%C3%BC");
    }

    #[test]
    fn the_url_of_a_socket_is_that_of_its_server() {
        for (url, asked) in [
            ("ws://localhost:9000", "http://localhost:9000/live/news"),
            ("wss://localhost/push/", "https://localhost/push/live/news"),
            ("WSS://localhost", "https://localhost/live/news"),
        ] {
            assert_eq!(uri(url, "news", &[]), asked);
        }
    }

    #[test]
    fn a_position_is_encoded_whole() {
        let query = [("since", "e+/=:7"), ("transport", "sse")];
        assert_eq!(
            uri("http://localhost/push/", "news", &query),
            "http://localhost/push/live/news?since=e%2B%2F%3D%3A7&transport=sse"
        );
    }

    #[test]
    fn urls_that_cannot_be_asked_are_refused() {
        for url in [
            "",
            "localhost:9000",
            "/live",
            "ftp://localhost",
            "wsx://localhost",
            "http://u:p@localhost",
            "http://localhost/?a",
        ] {
            assert!(server(url).is_err(), "{url}");
        }
    }
}
