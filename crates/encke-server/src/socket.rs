//! `encke sub --transport ws`: one WebSocket, its items printed as they come.

use std::io::{self, Write};

use bytes::Bytes;
use encke::websocket::{AnswerError, Client, CloseCode, Closed, Incoming, Outgoing, Text};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use thiserror::Error;

use crate::{BoxError, client::Server};

/// Far above any item; keeps a server from filling the memory.
const MAX_MESSAGE: usize = 64 << 20;

/// What a server did that is no end of a stream.
#[derive(Debug, Error)]
enum SocketError {
    #[error(
        "{server} answered {status} and opened no WebSocket: try another --transport, or see that \
         the proxy in front of it passes upgrades on"
    )]
    NotOpened { server: String, status: StatusCode },
    #[error("{server} opened no WebSocket that can be trusted")]
    Handshake { server: String, source: AnswerError },
    #[error("{server} closed the WebSocket: {code} {reason}")]
    Closed {
        server: String,
        code: CloseCode,
        reason: String,
    },
    #[error("the WebSocket to {server} was closed because of what it sent: {code} {reason}")]
    Violated {
        server: String,
        code: CloseCode,
        reason: String,
    },
}

/// Opens the socket that `request` asks for, and prints one item a line until it ends.
pub(crate) async fn print(server: &Server, request: Request<Full<Bytes>>) -> Result<(), BoxError> {
    let (mut incoming, outgoing) = open(server, request).await?;
    let mut output = io::stdout().lock();
    while let Some(item) = incoming.next().await {
        if let Err(error) = writeln!(output, "{item}") {
            outgoing.close();
            while incoming.next().await.is_some() {}
            return Err(error.into());
        }
    }
    match incoming.closed() {
        Some(closed) => judge(server, closed),
        None => Ok(()),
    }
}

async fn open(
    server: &Server,
    mut request: Request<Full<Bytes>>,
) -> Result<(Incoming<Text>, Outgoing<Text>), BoxError> {
    let client = Client::new().max_message(MAX_MESSAGE);
    request.headers_mut().extend(client.headers());
    let mut answer = server.send(request).await?;
    let status = answer.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let server = server.name();
        return Err(SocketError::NotOpened { server, status }.into());
    }
    let connection = hyper::upgrade::on(&mut answer)
        .await
        .map_err(|error| server.cut(&error))?;
    let opened = client.open(&answer, TokioIo::new(connection));
    opened.map_err(|source| {
        let server = server.name();
        SocketError::Handshake { server, source }.into()
    })
}

/// Whether the socket ended as streams do.
fn judge(server: &Server, closed: Closed) -> Result<(), BoxError> {
    let Closed {
        code,
        reason,
        clean,
        ..
    } = closed;
    let name = server.name();
    Err(match code {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS if clean => return Ok(()),
        CloseCode::ABNORMAL => server.interrupted(reason).into(),
        code if clean => SocketError::Closed {
            server: name,
            code,
            reason,
        }
        .into(),
        code => SocketError::Violated {
            server: name,
            code,
            reason,
        }
        .into(),
    })
}
