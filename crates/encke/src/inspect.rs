//! Watching a stream through `tracing`: its items, its errors, its end, its being dropped.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use pin_project_lite::pin_project;
use tracing::{Level, event};

/// The target of the events, for filters such as `RUST_LOG=encke::inspect=debug`.
const TARGET: &str = "encke::inspect";

/// Adds [`inspected`](Inspect::inspected) and [`try_inspected`](Inspect::try_inspected) to every
/// stream, to find out why a response is not what one expects.
///
/// ```
/// use encke::{Chunked, Inspect};
///
/// let items = futures_util::stream::iter(["kiki", "foo", "bar"]);
/// let response = Chunked::text(items.inspected("chunks"));
/// # let _ = response;
/// ```
pub trait Inspect: Stream + Sized {
    /// Tells `tracing` of every item, the end, and a drop before the end, at debug level.
    fn inspected(self, name: &'static str) -> Inspected<Self>
    where
        Self::Item: fmt::Debug,
    {
        Inspected::new(self, name, |name, count, item| {
            event!(target: TARGET, Level::DEBUG, stream = name, count, ?item, "item");
        })
    }

    /// The same for a stream of results, whose errors are told as warnings.
    fn try_inspected<T, E>(self, name: &'static str) -> Inspected<Self>
    where
        Self: Stream<Item = Result<T, E>>,
        T: fmt::Debug,
        E: fmt::Display,
    {
        Inspected::new(self, name, |name, count, item| match item {
            Ok(item) => event!(target: TARGET, Level::DEBUG, stream = name, count, ?item, "item"),
            Err(error) => {
                event!(target: TARGET, Level::WARN, stream = name, count, %error, "error")
            }
        })
    }
}

impl<S: Stream> Inspect for S {}

pin_project! {
    /// A stream that tells `tracing` what becomes of it.
    #[must_use = "a stream does nothing until it is polled"]
    pub struct Inspected<S: Stream> {
        #[pin]
        stream: S,
        name: &'static str,
        tell: fn(&'static str, u64, &S::Item),
        count: u64,
        ended: bool,
    }

    impl<S: Stream> PinnedDrop for Inspected<S> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                let (stream, count) = (this.name, this.count);
                event!(target: TARGET, Level::DEBUG, stream, count, "dropped before its end");
            }
        }
    }
}

impl<S: Stream> Inspected<S> {
    fn new(stream: S, name: &'static str, tell: fn(&'static str, u64, &S::Item)) -> Self {
        Self {
            stream,
            name,
            tell,
            count: 0,
            ended: false,
        }
    }
}

impl<S: Stream> Stream for Inspected<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let item = ready!(this.stream.poll_next(cx));
        match &item {
            Some(item) => {
                *this.count += 1;
                (this.tell)(this.name, *this.count, item);
            }
            None if !*this.ended => {
                *this.ended = true;
                event!(target: TARGET, Level::DEBUG, stream = *this.name, count = *this.count, "end");
            }
            None => {}
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<S: Stream> fmt::Debug for Inspected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspected")
            .field("name", &self.name)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
