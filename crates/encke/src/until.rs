//! A stream that ends when it is told to, after what is ready.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::BoxStream;

use crate::{BoxError, shutdown};

type Frames = BoxStream<'static, Result<Bytes, BoxError>>;

/// When a response ends although its stream goes on.
#[derive(Default)]
pub(crate) enum Until {
    /// Never.
    #[default]
    Never,
    /// At the shutdown of the server that polls it, if that is ours.
    Server,
    /// When this resolves.
    Signal(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Until {
    pub(crate) fn signal(signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Signal(Box::pin(signal))
    }

    /// Ends `stream` then: not while it has something ready.
    pub(crate) fn end(self, stream: Frames) -> Frames {
        match self {
            Self::Never => stream,
            until => Box::pin(Ending { stream, until }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Server = self {
            *self = shutdown::of_the_server()
                .map_or(Self::Never, |server| Self::Signal(Box::pin(server.begun())));
        }
        match self {
            Self::Signal(signal) => signal.as_mut().poll(cx),
            Self::Server | Self::Never => Poll::Pending,
        }
    }
}

struct Ending {
    stream: Frames,
    until: Until,
}

impl Stream for Ending {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.stream.as_mut().poll_next(cx);
        if item.is_ready() || self.until.poll(cx).is_pending() {
            return item;
        }
        // The source is told now, and not when the body is dropped.
        drop(mem::replace(
            &mut self.stream,
            Box::pin(futures_util::stream::empty()),
        ));
        self.until = Until::Never;
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;
    use crate::Shutdown;

    fn endless(ready: &'static [&'static str]) -> Frames {
        stream::iter(ready)
            .map(|item| Ok(Bytes::from(*item)))
            .chain(stream::pending())
            .boxed()
    }

    async fn rest(frames: Frames) -> Vec<Bytes> {
        frames.map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn what_is_ready_is_sent_before_the_end() {
        let shutdown = Shutdown::new();
        shutdown.begin();
        let until = Until::signal(shutdown.begun());
        assert_eq!(
            rest(until.end(endless(&["kiki", "foo"]))).await,
            ["kiki", "foo"]
        );
    }

    #[tokio::test]
    async fn a_waiting_stream_is_woken_to_end() {
        let shutdown = Shutdown::new();
        let frames = Until::Server.end(endless(&[]));
        let reader = tokio::spawn(shutdown::tell(shutdown.clone(), rest(frames)));
        tokio::task::yield_now().await;
        assert!(!reader.is_finished());
        shutdown.begin();
        assert!(reader.await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn under_a_foreign_server_a_stream_goes_on() {
        let mut frames = Until::Server.end(endless(&["kiki"]));
        assert_eq!(frames.next().await.unwrap().unwrap(), "kiki");
        assert!(frames.next().now_or_never().is_none());
    }
}
