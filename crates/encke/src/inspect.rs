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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::{StreamExt, stream};
    use tracing::{Event, Metadata, Subscriber, field, span};

    use super::*;

    /// Writes each event as its level and its fields.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl field::Visit for Fields {
        fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
            self.0 += &format!(" {field}={value:?}");
        }
    }

    impl Subscriber for Told {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == TARGET
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(event.metadata().level().to_string());
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    async fn told<S: Stream>(items: usize, inspected: impl FnOnce() -> S) -> Vec<String> {
        let told = Told::default();
        let _guard = tracing::subscriber::set_default(told.clone());
        let stream = inspected();
        stream
            .take(items)
            .for_each(|_| std::future::ready(()))
            .await;
        told.0.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn items_and_the_end_are_told() {
        let kiki_foo = || stream::iter(["kiki", "foo"]).inspected("names");
        assert_eq!(
            told(9, kiki_foo).await,
            [
                r#"DEBUG message=item stream="names" count=1 item="kiki""#,
                r#"DEBUG message=item stream="names" count=2 item="foo""#,
                r#"DEBUG message=end stream="names" count=2"#,
            ]
        );
    }

    #[tokio::test]
    async fn stream_dropped_before_its_end_is_told() {
        let kiki_foo = || stream::iter(["kiki", "foo"]).inspected("names");
        let last = told(1, kiki_foo).await.pop();
        let dropped = r#"DEBUG message=dropped before its end stream="names" count=1"#;
        assert_eq!(last.as_deref(), Some(dropped));
    }

    #[tokio::test]
    async fn errors_are_warnings() {
        let broken = || stream::iter([Ok("kiki"), Err("broken")]).try_inspected("names");
        let told = told(2, broken).await;
        assert_eq!(
            told[0],
            r#"DEBUG message=item stream="names" count=1 item="kiki""#
        );
        assert_eq!(
            told[1],
            r#"WARN message=error stream="names" count=2 error=broken"#
        );
    }
}
