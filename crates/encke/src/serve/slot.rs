//! How a session's socket leaves its HTTP connection.
//!
//! The session's body offers to go on without HTTP and gives its first bytes. The connection's I/O
//! sees what leaves: if that is a plain head of HTTP/1.1 and these bytes as one chunk, nothing
//! between here and there has changed the response, and the socket is given away once all of it is
//! sent. Anything else, and the response goes on as it began.

use bytes::Bytes;
use std::{
    fmt, mem,
    net::TcpStream,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

/// What a connection's I/O and the body of its response agree on.
#[derive(Default)]
pub(super) struct Slot {
    /// Looked at for every write.
    offered: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// Nobody has offered anything.
    #[default]
    Empty,
    Offered(Offer, Waker),
    /// Whether the socket was given away.
    Answered {
        taken: bool,
    },
}

/// A session that would go on without HTTP.
pub(crate) struct Offer {
    /// The first bytes of its response.
    pub(crate) first: Bytes,
    /// What it does with the socket.
    pub(crate) take: Box<dyn FnOnce(TcpStream) + Send>,
}

impl Slot {
    /// Takes an offer, unless another still waits.
    pub(super) fn offer(&self, offer: Offer, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if matches!(*state, State::Offered(..)) {
            return false;
        }
        *state = State::Offered(offer, cx.waker().clone());
        self.offered.store(true, Relaxed);
        true
    }

    /// Whether an offer waits for an answer.
    pub(super) fn is_offered(&self) -> bool {
        self.offered.load(Relaxed)
    }

    /// Whether the socket was taken, once that is known.
    pub(super) fn poll_answer(&self, cx: &Context<'_>) -> Poll<bool> {
        match &mut *self.lock() {
            State::Empty => Poll::Ready(false),
            State::Offered(_, waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Answered { taken } => Poll::Ready(*taken),
        }
    }

    /// The session whose response `seen` is: all that was written since it was offered.
    ///
    /// Its body is polled by the task that writes: a body that some other connection serves may
    /// begin with the same bytes.
    pub(super) fn accept(&self, seen: &[u8], cx: &Context<'_>) -> Option<Offer> {
        let taken = match &*self.lock() {
            State::Offered(offer, body) => {
                body.will_wake(cx.waker()) && is_response(seen, &offer.first)
            }
            _ => false,
        };
        self.answer(taken).filter(|_| taken)
    }

    /// The response goes on as it began.
    pub(super) fn decline(&self) {
        self.answer(false);
    }

    fn answer(&self, taken: bool) -> Option<Offer> {
        let mut state = self.lock();
        if !matches!(*state, State::Offered(..)) {
            return None;
        }
        self.offered.store(false, Relaxed);
        let answered = mem::replace(&mut *state, State::Answered { taken });
        drop(state);
        let State::Offered(offer, waker) = answered else {
            return None;
        };
        waker.wake();
        Some(offer)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this is a response of HTTP/1.1 as it left the session: the head of a chunked one, not
/// encoded any further, and its first bytes as the only chunk so far.
fn is_response(seen: &[u8], first: &[u8]) -> bool {
    let chunk = format!("{:X}\r\n", first.len());
    let head = seen
        .strip_suffix(b"\r\n")
        .and_then(|seen| seen.strip_suffix(first))
        .and_then(|seen| {
            let digits = seen.len().checked_sub(chunk.len())?;
            let (head, size) = seen.split_at(digits);
            size.eq_ignore_ascii_case(chunk.as_bytes()).then_some(head)
        });
    let Some(head) = head.and_then(|head| head.strip_suffix(b"\r\n\r\n")) else {
        return false;
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut chunked = false;
    let ours = lines
        .next()
        .is_some_and(|line| line.starts_with(b"HTTP/1.1 200"));
    ours && lines.all(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or(b""), parts.next().unwrap_or(b""));
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            return chunked;
        }
        // A blank line is the end of an earlier head.
        !line.trim_ascii().is_empty() && !name.eq_ignore_ascii_case(b"content-encoding")
    }) && chunked
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::is_response;

    fn response(head: &str) -> bool {
        is_response(format!("{head}\r\n\r\n4\r\nkiki\r\n").as_bytes(), b"kiki")
    }

    #[test]
    fn only_a_plain_chunked_response_is_given_away() {
        assert!(response("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"));
        assert!(response(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nx: y"
        ));
        for other in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-encoding: gzip",
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked",
        ] {
            assert!(!response(other), "{other:?}");
        }
    }

    #[test]
    fn what_was_changed_on_the_way_stays() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for body in [
            "",
            "4\r\nKIKI\r\n",
            "4\r\nkiki\r\n0\r\n\r\n",
            "5\r\nkiki\r\n",
            "kiki\r\n",
        ] {
            let seen = format!("{head}{body}");
            assert!(!is_response(seen.as_bytes(), b"kiki"), "{body:?}");
        }
    }
}
