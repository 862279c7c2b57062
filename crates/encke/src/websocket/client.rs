//! The other end of a socket: for programs that listen to a server, and for tests.

use super::{
    Driver, Outgoing, Overflow,
    application::{Application, ApplicationSocket},
    codec::{self, Codec},
    incoming,
    opening::Halves,
    outgoing::Outbox,
};
use crate::random;
use encke_proto::ws::{
    Config, Connection, MaskKeys, deflate,
    handshake::{AnswerError, ClientHandshake},
};
use http::{HeaderMap, Response};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

/// A WebSocket to be opened from this end, with whatever speaks HTTP/1.1 for it.
///
/// Send a GET with its [`headers`](Self::headers); the answer and the connection behind it make the
/// [`open`](Self::open) socket. Compression is offered, and everything sent is masked with keys
/// that nobody can foresee.
///
/// ```no_run
/// use bytes::Bytes;
/// use encke::{BoxError, websocket::Client};
/// use http::{Request, header::HOST};
/// use http_body_util::Empty;
/// use hyper_util::rt::TokioIo;
///
/// async fn listen(address: &str) -> Result<(), BoxError> {
///     let tcp = tokio::net::TcpStream::connect(address).await?;
///     let (mut http, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await?;
///     tokio::spawn(connection.with_upgrades());
///
///     let client = Client::new();
///     let mut request = Request::get("/live/news").header(HOST, address).body(Empty::<Bytes>::new())?;
///     request.headers_mut().extend(client.headers());
///     let mut answer = http.send_request(request).await?;
///     let connection = hyper::upgrade::on(&mut answer).await?;
///     let (mut incoming, _outgoing) = client.open(&answer, TokioIo::new(connection))?;
///     while let Some(text) = incoming.next().await {
///         println!("{text}");
///     }
///     Ok(())
/// }
/// ```
pub struct Client<C = codec::Text> {
    handshake: ClientHandshake,
    config: Config,
    codec: C,
}

impl Client {
    /// A socket of texts, for one server and one time.
    ///
    /// # Panics
    ///
    /// Where the system has no randomness to give.
    pub fn new() -> Self {
        let deflate = deflate::Config::default();
        Self {
            handshake: ClientHandshake::new(random::bytes()).deflate(deflate.clone()),
            config: Config {
                deflate: Some(deflate),
                ..Config::default()
            },
            codec: codec::Text,
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Client<C> {
    /// Reads and writes by another codec. The default is [`codec::Text`].
    pub fn using<D: Codec>(self, codec: D) -> Client<D> {
        Client {
            handshake: self.handshake,
            config: self.config,
            codec,
        }
    }

    /// Longest message that is taken, in bytes once inflated; a longer one closes the socket with
    /// 1009.
    ///
    /// Default: 64 KiB. The socket may take this much memory while a message arrives.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.config.max_frame = bytes;
        self.config.max_message = bytes;
        self
    }

    /// What makes a GET the handshake of this socket.
    pub fn headers(&self) -> HeaderMap {
        self.handshake.headers()
    }
}

impl<C: Codec> Client<C> {
    /// Opens the socket over a connection on which this was the answer, in a task of its own.
    ///
    /// It stays open until the server or [`Outgoing::close`] closes it, or its
    /// [`Incoming`](super::Incoming) is dropped;
    /// pings and a Close are answered meanwhile. A server that is silent for 25 s is sent a ping,
    /// and counts as lost without an answer within 10 s.
    ///
    /// # Errors
    ///
    /// When the server refuses, or its answer belongs to another key, or accepts what was not
    /// offered.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn open<B, IO>(self, answer: &Response<B>, io: IO) -> Result<Halves<C>, AnswerError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let established = self
            .handshake
            .read_answer(answer.status(), answer.headers())?;
        let codec = Arc::new(self.codec);
        let outbox = Arc::new(Outbox::new(BUFFER, Overflow::Wait));
        let (inlet, incoming) = incoming::channel(codec.clone(), BUFFER, outbox.clone());
        let outgoing = Outgoing::new(outbox.clone(), codec);
        let keys = MaskKeys::new(random::bytes);
        let now = Instant::now().into_std();
        let connection = Connection::client(Arc::new(self.config), established.deflate, keys, now);
        let abandoned = incoming.abandoned();
        let application = Application::Task(Box::pin(async move {
            abandoned.await;
            Ok(())
        }));
        let mut talk = ApplicationSocket::new(connection, inlet, outbox, None, Some(application));
        let served = async move { Driver::new(io, &mut talk, STALL_LIMIT, None).run().await };
        tokio::spawn(served);
        Ok((incoming, outgoing))
    }
}

/// Bytes that may wait for the application, and for the server.
const BUFFER: usize = 64 << 10;

/// How long the server may take nothing while data waits before its connection is cut.
const STALL_LIMIT: Duration = Duration::from_secs(10);

impl<C> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
