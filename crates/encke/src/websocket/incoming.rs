//! What comes in: from the driver, which must not wait for the application, to the application.

use super::{
    codec::Codec,
    outgoing::{KEPT, Outbox},
};
use encke_proto::ws::{CloseCode, CloseFrame, Closed, Message};
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// What a client sends, as a stream that ends with the socket.
///
/// Dropping it throws away what comes; pings are answered and a Close is noticed all the same.
pub struct Incoming<T> {
    inbox: Arc<Inbox<T>>,
    outbox: Arc<Outbox>,
}

impl<T> Incoming<T> {
    /// The next message; `None` once the socket has ended and everything before that was taken.
    ///
    /// # Cancel safety
    ///
    /// What was not returned is still there.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// How the socket ended, once it has; messages from before may still be there to be taken.
    ///
    /// The code of the client's Close, 1005 where it had none, or 1006 where the client was lost.
    pub fn closed(&self) -> Option<Closed> {
        self.inbox.lock().closed.clone()
    }

    /// How many outgoing messages were dropped while they waited: by the [policy](super::Overflow),
    /// or because the socket ended.
    pub fn dropped(&self) -> u64 {
        self.outbox.dropped()
    }

    /// Resolves when this is dropped; to be polled by the driver's task only.
    pub(super) fn abandoned(&self) -> impl Future<Output = ()> + Send + use<T>
    where
        T: Send + 'static,
    {
        let inbox = self.inbox.clone();
        poll_fn(move |cx| {
            inbox.driver.register(cx.waker());
            match inbox.lock().abandoned {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // Before the look into the queue, or a message put there in between would wake nobody.
        self.inbox.reader.register(cx.waker());
        let mut state = self.inbox.lock();
        let Some((size, item)) = state.queue.pop_front() else {
            return if state.closed.is_some() {
                Poll::Ready(None)
            } else {
                Poll::Pending
            };
        };
        state.size -= size;
        if state.queue.is_empty() {
            state.queue.shrink_to(KEPT);
        }
        drop(state);
        self.inbox.driver.wake();
        Poll::Ready(Some(item))
    }
}

impl<T> Stream for Incoming<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx)
    }
}

impl<T> Drop for Incoming<T> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        state.abandoned = true;
        state.size = 0;
        let queue = mem::take(&mut state.queue);
        drop(state);
        drop(queue);
        self.inbox.driver.wake();
    }
}

impl<T> fmt::Debug for Incoming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

struct Inbox<T> {
    state: Mutex<State<T>>,
    limit: usize,
    reader: AtomicWaker,
    driver: AtomicWaker,
}

struct State<T> {
    /// Each with the bytes that it counts for.
    queue: VecDeque<(usize, T)>,
    size: usize,
    closed: Option<Closed>,
    abandoned: bool,
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        self.lock().size < self.limit
    }

    fn push(&self, size: usize, item: T) {
        let mut state = self.lock();
        if state.abandoned {
            return;
        }
        state.size += size;
        state.queue.push_back((size, item));
        drop(state);
        self.reader.wake();
    }
}

/// The driver's end.
pub(super) trait Inlet: Send {
    /// Hands a message on.
    fn take(&mut self, message: Message) -> Result<(), CloseFrame>;

    /// Whether another may come; if not, the task is woken when it may.
    fn has_room(&mut self, cx: &mut Context<'_>) -> bool;

    /// Says that nothing more comes.
    fn end(&mut self, closed: Closed);
}

/// Both ends. More than `limit` bytes wait only if one message has them.
pub(super) fn channel<C: Codec>(
    codec: Arc<C>,
    limit: usize,
    outbox: Arc<Outbox>,
) -> (impl Inlet + use<C>, Incoming<C::In>) {
    let inbox = Arc::new(Inbox {
        state: Mutex::new(State {
            queue: VecDeque::new(),
            size: 0,
            closed: None,
            abandoned: false,
        }),
        limit,
        reader: AtomicWaker::new(),
        driver: AtomicWaker::new(),
    });
    let decoding = Decoding {
        codec,
        inbox: inbox.clone(),
    };
    (decoding, Incoming { inbox, outbox })
}

struct Decoding<C: Codec> {
    codec: Arc<C>,
    inbox: Arc<Inbox<C::In>>,
}

impl<C: Codec> Inlet for Decoding<C> {
    fn take(&mut self, message: Message) -> Result<(), CloseFrame> {
        let size = message.len() + size_of::<(usize, C::In)>();
        if let Some(item) = self.codec.decode(message)? {
            self.inbox.push(size, item);
        }
        Ok(())
    }

    fn has_room(&mut self, cx: &mut Context<'_>) -> bool {
        if self.inbox.has_room() {
            return true;
        }
        self.inbox.driver.register(cx.waker());
        self.inbox.has_room()
    }

    fn end(&mut self, closed: Closed) {
        let frame = (closed.code != CloseCode::NO_STATUS)
            .then(|| CloseFrame::new(closed.code, closed.reason.clone()));
        if let Ok(Some(last)) = self.codec.decode(Message::Close(frame)) {
            self.inbox.push(0, last);
        }
        self.inbox.lock().closed = Some(closed);
        self.inbox.reader.wake();
    }
}
