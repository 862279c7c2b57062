//! A response of any number of chunks, sent one by one as a stream yields them.

mod attachment;

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, TRAILER},
};

use crate::{
    Body, BoxError, SendError,
    body::StreamBody,
    callback::{self, Outlet},
    chunk::{Chunk, Text},
    item::JsonItem,
    live_headers::live_headers,
    until::Until,
};

/// A streamed response: one HTTP chunk per item.
///
/// The items may be [`Result`]s. An error ends the response without its last chunk, so that the
/// client can tell; what came before it is sent, but for what a slow client's socket did not take
/// by then. Empty items are skipped. A client of HTTP/1.0
/// gets the items without chunks and then the end of its connection; to HEAD, 204 and 304
/// nothing is sent and the stream is dropped unread.
///
/// ```
/// use encke::Chunked;
///
/// async fn index() -> Chunked {
///     Chunked::text(futures_util::stream::iter(["kiki", "foo", "bar"]))
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(index));
/// ```
#[must_use = "a response does nothing until it is returned"]
pub struct Chunked {
    headers: HeaderMap,
    chunks: BoxStream<'static, Result<Bytes, BoxError>>,
    trailers: Vec<(HeaderName, TrailerValue)>,
    until: Until,
}

type TrailerValue = Box<dyn FnOnce() -> HeaderValue + Send>;

impl Chunked {
    /// Streams anything that implements [`Chunk`], which also names the content type.
    pub fn new<S>(stream: S) -> Self
    where
        S: Stream<Item: Chunk> + Send + 'static,
    {
        Self {
            headers: live_headers(S::Item::content_type()),
            chunks: stream.map(Chunk::into_bytes).boxed(),
            trailers: Vec::new(),
            until: Until::Never,
        }
    }

    /// Streams strings as `text/plain; charset=utf-8`.
    pub fn text<S>(stream: S) -> Self
    where
        S: Stream<Item: Text> + Send + 'static,
    {
        Self::new(stream.map(Text::into_text))
    }

    /// Streams bytes as `application/octet-stream`.
    pub fn bytes<S>(stream: S) -> Self
    where
        S: Stream<Item: Chunk> + Send + 'static,
    {
        Self::new(stream.map(Chunk::into_bytes))
    }

    /// Streams anything that serde can write as `application/json`, one JSON text per chunk.
    pub fn json<S, K>(stream: S) -> Self
    where
        S: Stream<Item: JsonItem<K>> + Send + 'static,
    {
        Self::new(stream.map(|item| item.into_json()))
    }

    /// Streams what a future writes, as long as it likes.
    ///
    /// The future runs as a task of its own, started when the server first asks for the body; so
    /// it never runs for HEAD. It goes on after the client has left: then
    /// [`write`](Out::write) fails and [`Out::closed`] resolves. An error of the future, or a
    /// panic, ends the response without its last chunk.
    ///
    /// ```
    /// # use encke::Chunked;
    /// let response = Chunked::with(|out| async move {
    ///     out.write("kiki").await?;
    ///     out.write("foo").await?;
    ///     out.close()
    /// });
    /// # let _ = response;
    /// ```
    ///
    /// # Panics
    ///
    /// The body panics when it is polled outside of a tokio runtime.
    pub fn with<T, F, Fut, E>(callback: F) -> Self
    where
        T: Chunk + 'static,
        F: FnOnce(Out<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            headers: live_headers(T::content_type()),
            chunks: callback::stream(|outlet| {
                callback(Out {
                    outlet,
                    items: PhantomData,
                })
            }),
            trailers: Vec::new(),
            until: Until::Never,
        }
    }

    /// Sends this `Content-Type` instead of the items' own.
    pub fn content_type(mut self, content_type: HeaderValue) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self
    }

    /// Sends no `Content-Type`.
    pub fn no_content_type(mut self) -> Self {
        self.headers.remove(CONTENT_TYPE);
        self
    }

    /// Has the browser save the response under this name, in any script and with any characters.
    pub fn attachment(mut self, file_name: &str) -> Self {
        self.headers
            .insert(CONTENT_DISPOSITION, attachment::disposition(file_name));
        self
    }

    /// Adds a trailer whose value is computed when everything else was sent.
    ///
    /// Its name is announced in `Trailer`. hyper sends trailers only to clients that say
    /// `TE: trailers`, and never those that would change how the message is read
    /// (`Content-Length`, `Content-Type`, `Set-Cookie` and the like).
    ///
    /// ```
    /// # use encke::Chunked;
    /// # use http::{HeaderName, HeaderValue};
    /// let response = Chunked::text(futures_util::stream::iter(["kiki", "foo"]))
    ///     .trailer(HeaderName::from_static("x-items"), || HeaderValue::from(2));
    /// # let _ = response;
    /// ```
    pub fn trailer(
        mut self,
        name: HeaderName,
        value: impl FnOnce() -> HeaderValue + Send + 'static,
    ) -> Self {
        self.headers.append(TRAILER, name.clone().into());
        self.trailers.push((name, Box::new(value)));
        self
    }

    /// Ends the response, with its last chunk, when `signal` resolves and nothing more is ready.
    ///
    /// Default: never; when the server shuts down, the stream may go on to its own end for as long
    /// as [`Serve::drain_limit`](crate::Serve::drain_limit) allows. Give
    /// [`Shutdown::begun`](crate::Shutdown::begun) to a stream that has none.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Until::signal(signal);
        self
    }

    /// The response, for servers other than axum.
    pub fn into_response(self) -> Response<Body> {
        let Self {
            headers,
            chunks,
            trailers,
            until,
        } = self;
        let mut body = StreamBody::new(until.end(chunks));
        if !trailers.is_empty() {
            body = body.with_trailers(Box::new(|| {
                trailers
                    .into_iter()
                    .map(|(name, value)| (name, value()))
                    .collect()
            }));
        }
        let mut response = Response::new(Body::streaming(body));
        *response.headers_mut() = headers;
        response
    }
}

impl From<Chunked> for Response<Body> {
    fn from(chunked: Chunked) -> Self {
        chunked.into_response()
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Self::bytes(stream::empty::<Bytes>())
    }
}

impl fmt::Debug for Chunked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunked")
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Where the callback of [`Chunked::with`] writes.
///
/// Dropping it ends the response too, once the callback has returned.
pub struct Out<T> {
    outlet: Outlet,
    items: PhantomData<fn(T)>,
}

impl<T: Chunk> Out<T> {
    /// Sends an item as a chunk, waiting until the connection took the one before the last.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] once the client has left, [`SendError::Encode`] for an item without
    /// bytes to send.
    ///
    /// # Cancel safety
    ///
    /// An item whose future was dropped is not sent.
    pub async fn write(&self, item: T) -> Result<(), SendError> {
        let bytes = item.into_bytes().map_err(SendError::Encode)?;
        self.outlet.send(bytes).await
    }

    /// Ends the response, also while the callback runs on.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the client has left before.
    pub fn close(self) -> Result<(), SendError> {
        self.outlet.close()
    }
}

impl<T> Out<T> {
    /// Resolves when the client has left, within a second also while nothing is written.
    ///
    /// Not so under hyper for a client that sent bytes after its request: they are in the way of
    /// the end of its connection, and its leaving shows when something is written to it.
    pub async fn closed(&self) {
        self.outlet.closed().await;
    }
}

impl<T> fmt::Debug for Out<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").finish_non_exhaustive()
    }
}
