//! One connection of HTTP/2: many streams, none of which holds up the others.

mod body;
mod heard;
mod service;
mod stream;

pub(crate) use self::stream::Stream;

use self::{heard::Heard, service::WithStream, stream::Streams};
use super::{Limits, peer::Line};
use crate::BoxError;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::http2::{Builder, Connection},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

/// Streams at a time: browsers open a hundred at most, and all buffers together stay within 16 MiB.
const MAX_STREAMS: u32 = 256;

/// How much of one stream waits for its client, besides the piece (16 KiB) that is being sent.
const SEND_BUFFER: usize = 32 << 10;

/// How much a client may send of one stream before the application reads it.
const STREAM_WINDOW: u32 = 64 << 10;

/// How much of all its streams together.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// Bytes of a request's head.
const MAX_HEAD: u32 = 16 << 10;

/// How often a peer is asked whether it is still there; as often as sessions give a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// Serves a connection until it ends; once the server shuts down, until its streams have.
pub(super) async fn serve<IO, S, B>(
    io: IO,
    line: Arc<Line>,
    service: S,
    limits: Limits,
) -> Result<(), BoxError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let streams = Streams::new(line.shutdown.clone(), limits.stall);
    let service = TowerToHyperService::new(WithStream::new(service, line.clone()));
    let spoken = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Heard::new(io, spoken.clone()));
    let connection: Connection<_, _, _> = Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.stall)
        // "Bootstrapping WebSockets with HTTP/2" (RFC 8441)
        .enable_connect_protocol()
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        served = &mut connection => return Ok(served?),
        () = line.shutdown.begun() => {}
        () = streams.none_for(limits.head) => {}
    }
    // hyper would wait for the preface; a browser opens connections to spare.
    if !spoken.load(Relaxed) {
        return Ok(());
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        served = connection => Ok(served?),
        // All streams have ended, and the peer neither closes nor answers.
        () = streams.none_for(limits.head) => Ok(()),
    }
}
