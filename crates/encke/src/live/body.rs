//! The body of a session's response.

use super::{
    Seat,
    session::{Member, SessionHandle},
};
use crate::{
    BoxError,
    serve::{Offer, Peer},
};
use bytes::Bytes;
use http_body::Frame;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A session whose client is behind a server's body: polled when there is room for more.
///
/// Under a server of ours it offers to go on without HTTP.
pub(super) struct LiveBody {
    session: Member,
    leaving: Leaving,
}

enum Leaving {
    /// It has somewhere to go.
    To(Seat, Peer),
    /// It has offered to, and says nothing until there is an answer.
    Offered(Peer),
    /// It stays.
    No,
}

impl LiveBody {
    pub(super) fn new(session: SessionHandle, leaving: Option<(Seat, Peer)>) -> Self {
        Self {
            session: Member::join(session),
            leaving: leaving.map_or(Leaving::No, |(seat, peer)| Leaving::To(seat, peer)),
        }
    }

    /// Offers the session, whose first bytes these are.
    fn offer(&mut self, first: &Bytes, cx: &Context<'_>) {
        let Leaving::To(seat, peer) = std::mem::replace(&mut self.leaving, Leaving::No) else {
            return;
        };
        let session = self.session.handle();
        let offer = Offer {
            first: first.clone(),
            take: Box::new(move |socket| {
                if let Some(parts) = session.detach() {
                    seat.join(socket, parts);
                }
            }),
        };
        if peer.offer(offer, cx) {
            self.leaving = Leaving::Offered(peer);
        }
    }
}

impl http_body::Body for LiveBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Leaving::Offered(peer) = &self.leaving {
            if ready!(peer.poll_answer(cx)) {
                // The response is over for whoever polls it, and nothing went wrong.
                return Poll::Ready(None);
            }
            self.leaving = Leaving::No;
        }
        let bytes = ready!(self.session.poll_bytes(cx));
        if let Some(Ok(first)) = &bytes {
            self.offer(first, cx);
        }
        Poll::Ready(bytes.map(|bytes| bytes.map(Frame::data).map_err(Into::into)))
    }
}

/// An offer ends with its response.
impl Drop for LiveBody {
    fn drop(&mut self) {
        if let Leaving::Offered(peer) = &self.leaving {
            peer.withdraw();
        }
    }
}
