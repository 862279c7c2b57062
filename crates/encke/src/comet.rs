//! A Comet socket: an endless HTML page whose scripts call back into the page around it.

mod out;

use std::{fmt, time::Duration};

use bytes::Bytes;
use encke_proto::comet::{Call, Callback, InvalidCallback, Nonce, Prelude, SafeExpression};
use futures_core::Stream;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderValue, Response};

pub use self::out::CometOut;
use crate::{
    Body, BoxError, SameOriginFrame, Text,
    body::StreamBody,
    callback,
    item::{JsonItem, MessageItem},
    keep_alive::keep_alive,
    live_headers::live_headers,
    until::Until,
};

/// A response whose every message is a script element that calls a function of the page.
///
/// Load it in an iframe (the *forever iframe*), with a callback in its parent; insert the iframe
/// after the page has loaded, or the page never finishes loading. Nothing a message contains can
/// leave its script element. The items of a stream may be [`Result`]s: an error ends the response
/// without its last chunk.
///
/// ```
/// use encke::{BadRequest, Comet};
///
/// async fn comet() -> Result<Comet, BadRequest> {
///     let messages = futures_util::stream::iter(["kiki", "foo", "bar"]);
///     Ok(Comet::new("parent.cometMessage")?.string(messages))
/// }
/// # let _ = axum::Router::<()>::new().route("/comet", axum::routing::get(comet));
/// ```
///
/// ```html
/// <script>function cometMessage(event) { console.log('Received event: ' + event) }</script>
/// <iframe src="/comet"></iframe>
/// ```
#[must_use = "a response does nothing until it is returned"]
pub struct Comet<M = Messages> {
    call: Call,
    nonce: Option<Nonce>,
    prelude: Prelude,
    keep_alive: Duration,
    until: Until,
    messages: M,
}

/// What a [`Comet`] sends. Without it, it is no response yet.
pub struct Messages(Box<dyn FnOnce(Call) -> Scripts + Send>);

type Scripts = BoxStream<'static, Result<Bytes, BoxError>>;

impl Comet<()> {
    /// Calls `callback`, such as `parent.cometMessage`, with each message.
    ///
    /// # Errors
    ///
    /// When `callback` is not made of JavaScript names joined by dots.
    pub fn new(callback: &str) -> Result<Self, InvalidCallback> {
        Callback::new(callback).map(Self::calling)
    }

    /// Calls a callback that was checked before.
    ///
    /// A callback that the client chose is code running in the page: it should come from
    /// [`Callback::in_parent`].
    pub fn calling(callback: Callback) -> Self {
        Self {
            call: Call::new(callback),
            nonce: None,
            prelude: Prelude::default(),
            keep_alive: Duration::ZERO,
            until: Until::Server,
            messages: (),
        }
    }

    /// Sends strings.
    pub fn string<S>(self, stream: S) -> Comet
    where
        S: Stream<Item: Text> + Send + 'static,
    {
        self.expressions(stream.map(|item| Ok(SafeExpression::string(&item.into_text()?))))
    }

    /// Sends anything that serde can write, as the JavaScript value of its JSON.
    pub fn json<S, K>(self, stream: S) -> Comet
    where
        S: Stream<Item: JsonItem<K>> + Send + 'static,
    {
        self.expressions(stream.map(|item| Ok(SafeExpression::of(&item.into_json()?)?)))
    }

    /// Sends anything that implements [`CometMessage`](crate::CometMessage).
    pub fn messages<S, K>(self, stream: S) -> Comet
    where
        S: Stream<Item: MessageItem<K>> + Send + 'static,
    {
        self.expressions(stream.map(|item| Ok(SafeExpression::of(&item.into_message()?)?)))
    }

    /// Sends what a future sends, as long as it likes.
    ///
    /// The future runs as in [`Chunked::with`](crate::Chunked::with).
    ///
    /// ```
    /// # use encke::Comet;
    /// # use serde_json::json;
    /// let response = Comet::new("parent.cometMessage")?.on_connected(|comet| async move {
    ///     comet.send("kiki").await?;
    ///     comet.send(json!({"foo": "bar"})).await?;
    ///     comet.close()
    /// });
    /// # let _ = response;
    /// # Ok::<(), encke::InvalidCallback>(())
    /// ```
    ///
    /// # Panics
    ///
    /// The body panics when it is polled outside of a tokio runtime.
    pub fn on_connected<F, Fut, E>(self, callback: F) -> Comet
    where
        F: FnOnce(CometOut) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.sending(|call| callback::stream(|outlet| callback(CometOut::new(outlet, call))))
    }

    fn expressions<S>(self, expressions: S) -> Comet
    where
        S: Stream<Item = Result<SafeExpression, BoxError>> + Send + 'static,
    {
        self.sending(|call| {
            expressions
                .map(move |expression| Ok(script(&call, &expression?)))
                .boxed()
        })
    }

    fn sending(self, messages: impl FnOnce(Call) -> Scripts + Send + 'static) -> Comet {
        let Self {
            call,
            nonce,
            prelude,
            keep_alive,
            until,
            messages: (),
        } = self;
        Comet {
            call,
            nonce,
            prelude,
            keep_alive,
            until,
            messages: Messages(Box::new(messages)),
        }
    }
}

impl<M> Comet<M> {
    /// Gives every script this nonce, so that a Content-Security-Policy lets it run.
    ///
    /// Default: none. It has to be the one of this response's own headers, fresh every time; see
    /// [`SecurityHeaders`](crate::SecurityHeaders).
    pub fn nonce(mut self, nonce: impl Into<Nonce>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    /// Sends something else before the first message.
    ///
    /// Default: [`Prelude::default`]. [`Prelude::play`] is what Play sends, byte for byte.
    pub fn prelude(mut self, prelude: Prelude) -> Self {
        self.prelude = prelude;
        self
    }

    /// Sends an empty script whenever there was no message for this long.
    ///
    /// Default: never. Give less than the idle timeout of the proxies in between, which often is
    /// a minute; it costs a timer per response.
    pub fn keep_alive(mut self, period: Duration) -> Self {
        self.keep_alive = period;
        self
    }

    /// Ends the response, with its last chunk, when `signal` resolves and nothing more is ready.
    ///
    /// Default: when [`serve`](crate::serve()) shuts down; under another server never. Give
    /// `std::future::pending()` to a stream that should go on to its own end, for as long as
    /// [`Serve::drain_limit`](crate::Serve::drain_limit) allows.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Until::signal(signal);
        self
    }
}

impl Comet {
    /// The response, for servers other than axum.
    pub fn into_response(self) -> Response<Body> {
        let Self {
            call,
            nonce,
            prelude,
            keep_alive: period,
            until,
            messages: Messages(messages),
        } = self;
        let mut first = Vec::new();
        prelude.write(nonce.as_ref(), None, &mut first);
        let call = call.nonce(nonce);
        let mut alive = Vec::new();
        call.write_keep_alive(&mut alive);

        let scripts = keep_alive(until.end(messages(call)), period, alive.into());
        let body = stream::iter([Ok(first.into())]).chain(scripts).boxed();
        let mut response = Response::new(Body::streaming(StreamBody::new(body)));
        *response.headers_mut() =
            live_headers(Some(HeaderValue::from_static("text/html; charset=utf-8")));
        response.extensions_mut().insert(SameOriginFrame);
        response
    }
}

fn script(call: &Call, message: &SafeExpression) -> Bytes {
    let mut script = Vec::new();
    call.write(message, &mut script);
    script.into()
}

impl From<Comet> for Response<Body> {
    fn from(comet: Comet) -> Self {
        comet.into_response()
    }
}

impl<M> fmt::Debug for Comet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comet")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}
