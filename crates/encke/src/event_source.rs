//! A stream of Server-Sent Events, which browsers read with `EventSource`.

mod into_event;
mod last_event_id;
mod out;

use std::{fmt, time::Duration};

use bytes::Bytes;
use encke_proto::sse::{self, Event};
use futures_core::Stream;
use futures_util::{StreamExt, stream::BoxStream};
use http::{HeaderValue, Response};

pub use self::{into_event::IntoEvent, last_event_id::LastEventId, out::EventOut};
use crate::{
    Body, BoxError, body::StreamBody, callback, item::JsonItem, keep_alive::keep_alive,
    live_headers::live_headers, until::Until,
};

/// A response of events, as `text/event-stream`.
///
/// Strings are the data of events; see [`IntoEvent`] for what else the items may be. A browser
/// reconnects when the response ends, and then says which event it saw last: see
/// [`LastEventId`].
///
/// ```
/// use encke::EventSource;
///
/// async fn events() -> EventSource {
///     EventSource::new(futures_util::stream::iter(["kiki", "foo", "bar"]))
/// }
/// # let _ = axum::Router::<()>::new().route("/events", axum::routing::get(events));
/// ```
#[must_use = "a response does nothing until it is returned"]
pub struct EventSource {
    events: BoxStream<'static, Result<Bytes, BoxError>>,
    keep_alive: Duration,
    until: Until,
}

impl EventSource {
    /// Sends anything that makes an event.
    pub fn new<S>(stream: S) -> Self
    where
        S: Stream<Item: IntoEvent> + Send + 'static,
    {
        Self::sending(
            stream
                .map(|item| item.into_event().map(|event| written(&event)))
                .boxed(),
        )
    }

    /// Sends anything that serde can write, as the data of events.
    pub fn json<S, K>(stream: S) -> Self
    where
        S: Stream<Item: JsonItem<K>> + Send + 'static,
    {
        Self::new(stream.map(|item| item.into_json()))
    }

    /// Sends what a future sends, as long as it likes.
    ///
    /// The future runs as in [`Chunked::with`](crate::Chunked::with).
    ///
    /// ```
    /// # use encke::EventSource;
    /// let response = EventSource::with(|events| async move {
    ///     events.send("kiki").await?;
    ///     events.send(("news", "foo")).await?;
    ///     events.close()
    /// });
    /// # let _ = response;
    /// ```
    ///
    /// # Panics
    ///
    /// The body panics when it is polled outside of a tokio runtime.
    pub fn with<F, Fut, E>(callback: F) -> Self
    where
        F: FnOnce(EventOut) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self::sending(callback::stream(|outlet| callback(EventOut::new(outlet))))
    }

    fn sending(events: BoxStream<'static, Result<Bytes, BoxError>>) -> Self {
        Self {
            events,
            keep_alive: Duration::ZERO,
            until: Until::Server,
        }
    }

    /// Sends an empty comment whenever there was no event for this long.
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

    /// The response, for servers other than axum.
    pub fn into_response(self) -> Response<Body> {
        let alive = Bytes::from_static(sse::keep_alive());
        let events = keep_alive(self.until.end(self.events), self.keep_alive, alive);
        let mut response = Response::new(Body::streaming(StreamBody::new(events)));
        *response.headers_mut() = live_headers(Some(HeaderValue::from_static(
            "text/event-stream; charset=utf-8",
        )));
        response
    }
}

fn written(event: &Event) -> Bytes {
    let mut bytes = Vec::new();
    event.write(&mut bytes);
    bytes.into()
}

impl From<EventSource> for Response<Body> {
    fn from(events: EventSource) -> Self {
        events.into_response()
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}
