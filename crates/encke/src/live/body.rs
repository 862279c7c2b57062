//! The body of a session's response.

use super::session::{Member, SessionHandle, Stalled};
use bytes::Bytes;
use http_body::Frame;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A session whose client is behind a server's body: polled when there is room for more.
pub(super) struct LiveBody(Member);

impl LiveBody {
    pub(super) fn new(session: SessionHandle) -> Self {
        Self(Member::join(session))
    }
}

impl http_body::Body for LiveBody {
    type Data = Bytes;
    type Error = Stalled;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stalled>>> {
        let bytes = self.0.poll_bytes(cx);
        bytes.map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}
