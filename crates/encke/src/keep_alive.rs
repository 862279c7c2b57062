//! Bytes put into a quiet stream, so that dead peers and idle proxies are noticed.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::BoxStream;
use tokio::time::{Sleep, sleep};

use crate::BoxError;

type Frames = BoxStream<'static, Result<Bytes, BoxError>>;

/// Sends `bytes` whenever nothing else was for `period`; never if it is zero.
pub(crate) fn keep_alive(stream: Frames, period: Duration, bytes: Bytes) -> Frames {
    if period.is_zero() {
        return stream;
    }
    Box::pin(KeepAlive {
        stream,
        period,
        bytes,
        timer: None,
    })
}

struct KeepAlive {
    stream: Frames,
    period: Duration,
    bytes: Bytes,
    /// Started by the first poll.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream for KeepAlive {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let item = this.stream.as_mut().poll_next(cx);
        let timer = this
            .timer
            .get_or_insert_with(|| Box::pin(sleep(this.period)));
        let item = match item {
            Poll::Ready(item) => item,
            Poll::Pending if timer.as_mut().poll(cx).is_ready() => Some(Ok(this.bytes.clone())),
            Poll::Pending => return Poll::Pending,
        };
        timer.set(sleep(this.period));
        Poll::Ready(item)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use tokio::time::Instant;

    use super::*;

    fn every_ten_seconds(stream: impl Stream<Item = &'static str> + Send + 'static) -> Frames {
        let frames = stream.map(|item| Ok(Bytes::from(item))).boxed();
        keep_alive(frames, Duration::from_secs(10), Bytes::from("alive"))
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_stream_is_kept_alive() {
        let mut frames = every_ten_seconds(stream::pending());
        let start = Instant::now();
        for period in 1..=3 {
            assert_eq!(frames.next().await.unwrap().unwrap(), "alive");
            assert_eq!(start.elapsed().as_secs(), period * 10);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_item_starts_the_period_again() {
        let items = stream::unfold(0, |count| async move {
            sleep(Duration::from_secs(9)).await;
            (count < 3).then_some(("kiki", count + 1))
        });
        let frames: Vec<_> = every_ten_seconds(items).map(Result::unwrap).collect().await;
        assert_eq!(frames, ["kiki", "kiki", "kiki"]);
    }
}
