//! WebSockets as responses of an application.
//!
//! [`WebSocket`] is where to start; here is what it works with.

mod upgrade;
pub use upgrade::NotUpgradable;
pub(crate) use upgrade::Upgrade;

mod socket;
pub(crate) use socket::Socket;

mod options;
mod origin;
pub use encke_proto::ws::{
    KeepAlive,
    deflate::{Config as Deflate, InvalidLevel, InvalidWindowBits, Level, WindowBits},
    handshake::UnofferedSubprotocol,
};
use options::Options;

pub mod codec;
use codec::Codec;

mod flow;
mod item;
pub use flow::Flow;
pub use item::SocketItem;

mod incoming;
mod outgoing;
mod sleeper;
pub use encke_proto::ws::{
    CloseCode, CloseFrame, Closed, InvalidCloseCode, InvalidUtf8, Message, Text,
};
pub use incoming::Incoming;
use outgoing::Outbox;
pub use outgoing::{Outgoing, Overflow};

mod callbacks;
pub use callbacks::Callbacks;

mod opening;
pub use opening::{NotOpened, Opening};

mod close_with;
pub use close_with::CloseWith;

mod client;
pub use client::Client;
pub use encke_proto::ws::{deflate::InvalidAnswer, handshake::AnswerError};

mod talk;
pub(crate) use talk::Talk;

mod application;
use application::{Application, ApplicationSocket};

mod driver;
pub(crate) use driver::{Driver, End};

use crate::{Body, BoxError, problem};
use bytes::Bytes;
use encke_proto::ws::Connection;
use http::{Response, StatusCode, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc};
use tokio::time::Instant;

/// A request that opens a WebSocket, to be accepted by what this returns as its response.
///
/// In axum it is an extractor, to be routed with `any`: over HTTP/2 a WebSocket does not come by
/// GET. Elsewhere there is [`from_request`](Self::from_request). Any other response refuses it.
/// Under a server of another make, HTTP/2 takes the feature `http2`.
///
/// ```
/// use encke::{Body, WebSocket};
/// use http::Response;
///
/// async fn echo(ws: WebSocket) -> Response<Body> {
///     ws.text(|incoming| incoming)
/// }
/// # let _ = axum::Router::<()>::new().route("/echo", axum::routing::any(echo));
/// ```
///
/// A socket is accepted in one of three ways:
///
/// - a [`flow`](Self::flow) turns a stream of what comes in into one of what goes out:
///   [`text`](Self::text), [`binary`](Self::binary), [`json`](Self::json),
///   [`messages`](Self::messages);
/// - [`on_ready`](Self::on_ready) has callbacks;
/// - [`with`](Self::with) has a future, which gets both halves.
///
/// What they run is polled by the socket's own task. The end of it closes the socket with 1000, an
/// error with 1011 or as [`CloseWith`] says. Pings are answered, and a Close
/// is, without the application.
///
/// Only pages of this server may open it, unless others are [named](Self::allow_origin).
#[must_use = "a socket is refused unless it is accepted"]
pub struct WebSocket<C = codec::Text> {
    upgrade: Upgrade,
    /// What its origin is judged by.
    origin: Parts,
    options: Options,
    codec: C,
}

impl WebSocket {
    /// Reads a request, and takes the upgrade out of its extensions.
    ///
    /// ```
    /// use encke::{Body, WebSocket};
    /// use http::{Request, Response};
    ///
    /// fn hello<B>(request: Request<B>) -> Response<Body> {
    ///     let (mut parts, _) = request.into_parts();
    ///     match WebSocket::from_request(&mut parts) {
    ///         Ok(ws) => ws.text(|_| futures_util::stream::iter(["Hello!"])),
    ///         Err(error) => error.into_response(),
    ///     }
    /// }
    /// assert_eq!(hello(Request::new(())).status(), 426);
    /// ```
    ///
    /// # Errors
    ///
    /// When it does not ask for a WebSocket, or does so wrongly, or where the server does not let
    /// connections be upgraded.
    pub fn from_request(request: &mut Parts) -> Result<Self, NotUpgradable> {
        Ok(Self {
            upgrade: Upgrade::of(request)?,
            origin: origin::of(request),
            options: Options::default(),
            codec: codec::Text,
        })
    }
}

impl<C> WebSocket<C> {
    /// The subprotocols the client speaks, the preferred one first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.upgrade.subprotocols()
    }

    /// Reads and writes by another codec. The default is [`codec::Text`].
    pub fn using<D: Codec>(self, codec: D) -> WebSocket<D> {
        WebSocket {
            upgrade: self.upgrade,
            origin: self.origin,
            options: self.options,
            codec,
        }
    }

    /// A flow of texts. A binary message closes the socket with 1003.
    pub fn text(
        self,
        flow: impl Flow<Text, Text, Outgoing: 'static> + Send + 'static,
    ) -> Response<Body> {
        self.using(codec::Text).flow(flow)
    }

    /// A flow of bytes. A text message closes the socket with 1003.
    pub fn binary(
        self,
        flow: impl Flow<Bytes, Bytes, Outgoing: 'static> + Send + 'static,
    ) -> Response<Body> {
        self.using(codec::Binary).flow(flow)
    }

    /// A flow of anything that serde can read to anything that it can write. What is not the JSON
    /// of an `In` closes the socket with 1003.
    ///
    /// ```
    /// # use encke::{Body, WebSocket};
    /// # use http::Response;
    /// use futures_util::StreamExt;
    ///
    /// #[derive(serde::Deserialize, serde::Serialize)]
    /// struct Count { count: u32 }
    ///
    /// async fn next(ws: WebSocket) -> Response<Body> {
    ///     ws.json::<Count, Count>(|counts| counts.map(|Count { count }| Count { count: count + 1 }))
    /// }
    /// # let _ = axum::Router::<()>::new().route("/next", axum::routing::any(next));
    /// ```
    pub fn json<In, Out>(
        self,
        flow: impl Flow<In, Out, Outgoing: 'static> + Send + 'static,
    ) -> Response<Body>
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize + Send + 'static,
    {
        self.using(codec::Json::<In, Out>::new()).flow(flow)
    }

    /// A flow of messages as they are: texts, bytes, pings, pongs, and the Close, which comes last.
    pub fn messages(
        self,
        flow: impl Flow<Message, Message, Outgoing: 'static> + Send + 'static,
    ) -> Response<Body> {
        self.using(codec::Messages).flow(flow)
    }
}

impl<C: Codec> WebSocket<C> {
    /// Accepts the socket, and turns a stream of what comes in into a stream of what goes out; the
    /// two may have nothing to do with each other.
    ///
    /// The end of the stream closes the socket. When the socket ends first, `incoming` does, and the
    /// stream is dropped once it has nothing ready.
    pub fn flow(
        self,
        flow: impl Flow<C::In, C::Out, Outgoing: 'static> + Send + 'static,
    ) -> Response<Body> {
        self.open(|opened, codec| {
            let Opening(Ok((incoming, outgoing))) = opened else {
                return None;
            };
            let outbox = outgoing.outbox().clone();
            let sending = flow::run(flow, incoming, codec, outbox);
            Some(Application::Flow(Box::pin(sending)))
        })
    }

    /// Accepts the socket, and says with callbacks what is done with it.
    ///
    /// ```
    /// # use encke::{Body, WebSocket};
    /// # use http::Response;
    /// async fn index(ws: WebSocket) -> Response<Body> {
    ///     ws.on_ready(|incoming, outgoing| {
    ///         incoming.on_message(|text| println!("{text}"));
    ///         incoming.on_close(|_| println!("Disconnected"));
    ///         outgoing.write("Hello!");
    ///     })
    /// }
    /// # let _ = axum::Router::<()>::new().route("/", axum::routing::any(index));
    /// ```
    ///
    /// It stays open until the client, or [`Outgoing::close`], closes it.
    pub fn on_ready<F>(self, ready: F) -> Response<Body>
    where
        F: FnOnce(&mut Callbacks<C::In>, Outgoing<C::Out>) + Send + 'static,
    {
        self.open(|opened, _| {
            let Opening(Ok((incoming, outgoing))) = opened else {
                return None;
            };
            Some(Application::Task(Box::pin(async move {
                let mut callbacks = Callbacks::new();
                ready(&mut callbacks, outgoing);
                callbacks.run(incoming).await;
                Ok(())
            })))
        })
    }

    /// Accepts the socket, and gives both halves of it to a future.
    ///
    /// The halves are there once the response has reached the client, which is after the handler
    /// returned it: so what is done with them is a future of its own.
    ///
    /// ```
    /// # use encke::{Body, BoxError, WebSocket};
    /// # use http::Response;
    /// async fn greet(ws: WebSocket) -> Response<Body> {
    ///     ws.with(|ws| async move {
    ///         let (mut incoming, mut outgoing) = ws.accept().await?;
    ///         while let Some(name) = incoming.next().await {
    ///             outgoing.send(format!("Hello, {name}!")).await?;
    ///         }
    ///         Ok::<_, BoxError>(())
    ///     })
    /// }
    /// # let _ = axum::Router::<()>::new().route("/greet", axum::routing::any(greet));
    /// ```
    ///
    /// The end of the future closes the socket. The socket's end does not end the future, which
    /// then gets `None` from one half and an error from the other.
    pub fn with<F, Fut, E>(self, callback: F) -> Response<Body>
    where
        F: FnOnce(Opening<C>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.open(|opened, _| {
            Some(Application::Task(Box::pin(async {
                callback(opened).await.map_err(Into::into)
            })))
        })
    }

    /// The response; once it is sent, `start` makes the application.
    fn open(
        self,
        start: impl FnOnce(Opening<C>, Arc<C>) -> Option<Application> + Send + 'static,
    ) -> Response<Body> {
        let Self {
            upgrade,
            origin,
            options,
            codec,
        } = self;
        if let Some(refusal) = options.origins.refusal(&origin) {
            return refusal;
        }
        let deflate = options.config.deflate.as_ref();
        let accepted = upgrade.accept(options.subprotocol.as_deref(), deflate);
        let (mut response, accepted) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => return problem(StatusCode::INTERNAL_SERVER_ERROR, error),
        };
        response.headers_mut().extend(headers(&options));
        let agreed = accepted.deflate();
        let shutdown = options.shutdown.clone().or_else(|| accepted.shutdown());
        let peer = accepted.peer();
        accepted.spawn(async move |socket| {
            let codec = Arc::new(codec);
            let io = match socket {
                Ok(io) => io,
                Err(error) => {
                    tracing::debug!(%error, "socket not opened");
                    let opening = Opening(Err(NotOpened(error.into())));
                    if let Some(application) = start(opening, codec) {
                        let _ = application.finish().await;
                    }
                    return;
                }
            };
            let outbox = Arc::new(Outbox::new(options.outgoing_limit, options.overflow));
            let (inlet, incoming) =
                incoming::channel(codec.clone(), options.incoming_limit, outbox.clone());
            let outgoing = Outgoing::new(outbox.clone(), codec.clone());
            let now = Instant::now().into_std();
            let mut talk = ApplicationSocket::new(
                Connection::server(options.config, agreed, now),
                inlet,
                outbox,
                options.compress,
                start(Opening(Ok((incoming, outgoing))), codec),
            );
            let driver = Driver::new(io, &mut talk, options.stall_limit, shutdown.as_ref());
            if driver.run().await == End::Stalled
                && let Some(peer) = peer
            {
                peer.stalls();
            }
            if let Some(application) = talk.into_application() {
                close_with::frame_for(application.finish().await);
            }
        });
        response
    }
}

fn headers(options: &Options) -> http::HeaderMap {
    options.headers.iter().cloned().collect()
}

impl<C: fmt::Debug> fmt::Debug for WebSocket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("upgrade", &self.upgrade)
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}
