//! The body of a session's response.

use super::session::{LiveSession, SessionHandle, Stalled};
use bytes::Bytes;
use http_body::Frame;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A session whose client is behind a server's body: polled when there is room for more.
pub(super) struct LiveBody {
    session: SessionHandle,
    key: usize,
}

impl LiveBody {
    pub(super) fn new(session: Arc<LiveSession>) -> Self {
        let key = session.hub().join(session.clone());
        Self { session, key }
    }
}

impl http_body::Body for LiveBody {
    type Data = Bytes;
    type Error = Stalled;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stalled>>> {
        let bytes = self.session.poll_bytes(cx);
        bytes.map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}

impl Drop for LiveBody {
    fn drop(&mut self) {
        self.session.hub().leave(self.key);
        self.session.close();
    }
}
