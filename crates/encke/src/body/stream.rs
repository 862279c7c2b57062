//! A body made of a stream: one frame per item, then trailers.
//!
//! A failed stream is reported a few polls late: hyper drops what it has not flushed when a body
//! fails, and flushes when a body is pending.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::BoxError;

/// Empty items skipped before the task gives way to others.
const SKIPPED_PER_POLL: usize = 64;

/// Polls that stay pending before an error is told.
///
/// hyper alone needs one. A layer that compresses uses one more to flush into hyper's buffer; the
/// rest is for layers around layers. What a full socket still has not taken then is lost.
const PENDING_BEFORE_ERROR: u8 = 5;

/// Computes the trailers when everything else was sent.
pub(crate) type Trailers = Box<dyn FnOnce() -> HeaderMap + Send>;

pub(crate) struct StreamBody {
    state: State,
    trailers: Option<Trailers>,
}

enum State {
    Streaming(BoxStream<'static, Result<Bytes, BoxError>>),
    Failed { error: BoxError, pending: u8 },
    Ended,
}

impl StreamBody {
    pub(crate) fn new(stream: BoxStream<'static, Result<Bytes, BoxError>>) -> Self {
        Self {
            state: State::Streaming(stream),
            trailers: None,
        }
    }

    pub(crate) fn with_trailers(mut self, trailers: Trailers) -> Self {
        self.trailers = Some(trailers);
        self
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Streaming(stream) => self.poll_items(stream, cx),
            State::Failed { error, pending: 0 } => Poll::Ready(Some(Err(error))),
            State::Failed { error, pending } => {
                self.state = State::Failed {
                    error,
                    pending: pending - 1,
                };
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            State::Ended => Poll::Ready(None),
        }
    }

    fn poll_items(
        &mut self,
        mut stream: BoxStream<'static, Result<Bytes, BoxError>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BoxError>>> {
        for _ in 0..SKIPPED_PER_POLL {
            let item = match stream.as_mut().poll_next(cx) {
                // An empty chunk would be the last one.
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => continue,
                Poll::Ready(Some(Err(error))) => {
                    self.trailers = None;
                    self.state = State::Failed {
                        error,
                        pending: PENDING_BEFORE_ERROR,
                    };
                    return self.poll_stream(cx);
                }
                Poll::Ready(None) => return Poll::Ready(None),
                item => item,
            };
            self.state = State::Streaming(stream);
            return item;
        }
        self.state = State::Streaming(stream);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(result) = ready!(self.poll_stream(cx)) {
            return Poll::Ready(Some(result.map(Frame::data)));
        }
        let trailers = self.trailers.take().map(|trailers| trailers());
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended) && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Ended => SizeHint::with_exact(0),
            State::Streaming(_) | State::Failed { .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    fn body(items: Vec<Result<&'static str, BoxError>>) -> StreamBody {
        StreamBody::new(
            stream::iter(items)
                .map(|item| item.map(Bytes::from))
                .boxed(),
        )
    }

    fn poll(body: &mut StreamBody) -> Poll<Option<Result<Bytes, String>>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_frame(&mut cx).map(|frame| {
            frame.map(|frame| match frame {
                Ok(frame) => Ok(frame.into_data().expect("data")),
                Err(error) => Err(error.to_string()),
            })
        })
    }

    #[test]
    fn error_waits_until_the_server_could_flush() {
        let mut body = body(vec![Ok("kiki"), Err("broken".into()), Ok("never")]);
        assert_eq!(poll(&mut body), Poll::Ready(Some(Ok(Bytes::from("kiki")))));
        for _ in 0..PENDING_BEFORE_ERROR {
            assert_eq!(poll(&mut body), Poll::Pending);
        }
        assert_eq!(poll(&mut body), Poll::Ready(Some(Err("broken".to_owned()))));
        assert_eq!(poll(&mut body), Poll::Ready(None));
        assert!(body.is_end_stream());
    }

    #[test]
    fn empty_items_are_skipped_without_hogging_the_task() {
        let mut few = body(vec![Ok(""), Ok("kiki"), Ok("")]);
        assert_eq!(poll(&mut few), Poll::Ready(Some(Ok(Bytes::from("kiki")))));
        assert_eq!(poll(&mut few), Poll::Ready(None));

        let mut endless = StreamBody::new(stream::repeat_with(|| Ok(Bytes::new())).boxed());
        assert_eq!(poll(&mut endless), Poll::Pending);
    }

    #[tokio::test]
    async fn trailers_come_last() {
        let body = body(vec![Ok("kiki")]).with_trailers(Box::new(|| {
            HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("\"1\""))])
        }));
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["etag"], "\"1\"");
        assert_eq!(collected.to_bytes(), "kiki");
    }
}
