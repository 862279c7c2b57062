//! A body that notes when it is asked for more, and hands over no more than a little at a time.

use super::Stream;
use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What a client has to take within the stall limit, however large the frames of a body are.
const PIECE: usize = 16 << 10;

pin_project! {
    pub(super) struct Watched<B> {
        #[pin]
        body: Option<B>,
        // What is left of a frame.
        rest: Bytes,
        stream: Arc<Stream>,
    }
}

impl<B> Watched<B> {
    pub(super) fn new(body: Option<B>, stream: Arc<Stream>) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            stream,
        }
    }
}

impl<B: http_body::Body> http_body::Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        this.stream.asks_for_more();
        if this.rest.is_empty() {
            let Some(body) = this.body.as_pin_mut() else {
                return Poll::Ready(None);
            };
            match ready!(body.poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => *this.rest = data.copy_to_bytes(data.remaining()),
                    Err(frame) => {
                        let trailers = frame.into_trailers().ok();
                        return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                    }
                },
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        this.stream.hands_over();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            None => SizeHint::with_exact(0),
            Some(body) if self.rest.is_empty() => body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
