//! What comes in: from the driver, which must not wait for the application, to the application.

use super::{codec::Codec, outgoing::Outbox, sleeper::Sleeper};
use encke_proto::ws::{CloseCode, CloseFrame, Closed, Message};
use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// What a client sends, as a stream that ends with the socket.
///
/// Dropping it throws away what comes; pings are answered and a Close is noticed all the same.
pub struct Incoming<T> {
    inbox: Arc<Inbox<T>>,
    outbox: Arc<Outbox>,
    /// Taken out of the inbox together, and counted there until it is returned.
    taken: VecDeque<(usize, T)>,
    /// Of what was returned, not told to the inbox yet.
    returned: usize,
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
            let mut state = inbox.lock();
            state.driver.sleep(cx.waker());
            match state.abandoned {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.taken.is_empty() {
            let mut state = self.inbox.lock();
            self.taken = mem::take(&mut state.queue);
            let driver = self
                .inbox
                .make_room(&mut state, mem::take(&mut self.returned));
            let closed = state.closed.is_some();
            if self.taken.is_empty() && !closed {
                state.reader.sleep(cx.waker());
            }
            drop(state);
            driver.into_iter().for_each(Waker::wake);
            if self.taken.is_empty() && !closed {
                return Poll::Pending;
            }
        }
        let item = self.taken.pop_front().map(|(size, item)| {
            self.returned += size;
            item
        });
        if self.taken.is_empty() {
            self.taken = VecDeque::new();
        }
        // Less is told when more is asked for.
        if self.returned >= self.inbox.limit / 4 {
            let returned = mem::take(&mut self.returned);
            let driver = self.inbox.make_room(&mut self.inbox.lock(), returned);
            driver.into_iter().for_each(Waker::wake);
        }
        Poll::Ready(item)
    }
}

impl<T> Stream for Incoming<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx)
    }
}

/// What it holds is moved in and out.
impl<T> Unpin for Incoming<T> {}

impl<T> Drop for Incoming<T> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        state.abandoned = true;
        self.inbox.size.store(0, Ordering::Relaxed);
        let queue = mem::take(&mut state.queue);
        let driver = state.driver.rouse();
        drop(state);
        drop(queue);
        driver.into_iter().for_each(Waker::wake);
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
    /// What waits, as the lock was left: the driver need not take it to see that there is room.
    size: AtomicUsize,
    limit: usize,
}

struct State<T> {
    /// Each with the bytes that it counts for.
    queue: VecDeque<(usize, T)>,
    closed: Option<Closed>,
    abandoned: bool,
    reader: Sleeper,
    driver: Sleeper,
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts items behind those that wait; `None` where nobody takes them.
    fn append(&self, mut items: VecDeque<(usize, T)>) -> Option<MutexGuard<'_, State<T>>> {
        let mut state = self.lock();
        if state.abandoned {
            return None;
        }
        let size = items.iter().map(|(size, _)| size).sum();
        self.size.fetch_add(size, Ordering::Relaxed);
        if state.queue.is_empty() {
            state.queue = items;
        } else {
            state.queue.append(&mut items);
        }
        Some(state)
    }

    /// The driver, if it is to be woken.
    #[must_use = "it is not woken yet"]
    fn make_room(&self, state: &mut State<T>, returned: usize) -> Option<Waker> {
        let before = self.size.fetch_sub(returned, Ordering::Relaxed);
        let has_room = before >= self.limit && before - returned < self.limit;
        has_room.then(|| state.driver.rouse()).flatten()
    }
}

/// The driver's end.
pub(super) trait Inlet: Send {
    /// Takes a message, for [`hand_on`](Self::hand_on); gives what it counts for.
    fn take(&mut self, message: Message) -> Result<usize, CloseFrame>;

    /// Hands on what was taken, and wakes the reader, unless it is in this task.
    fn hand_on(&mut self, cx: &mut Context<'_>);

    /// How much more may come; if nothing, the task is woken when something may.
    fn room(&mut self, cx: &mut Context<'_>) -> usize;

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
            closed: None,
            abandoned: false,
            reader: Sleeper::default(),
            driver: Sleeper::default(),
        }),
        size: AtomicUsize::new(0),
        limit,
    });
    let decoding = Decoding {
        codec,
        inbox: inbox.clone(),
        taken: VecDeque::new(),
    };
    let incoming = Incoming {
        inbox,
        outbox,
        taken: VecDeque::new(),
        returned: 0,
    };
    (decoding, incoming)
}

struct Decoding<C: Codec> {
    codec: Arc<C>,
    inbox: Arc<Inbox<C::In>>,
    /// As in the inbox; empty while the task sleeps.
    taken: VecDeque<(usize, C::In)>,
}

impl<C: Codec> Inlet for Decoding<C> {
    fn take(&mut self, message: Message) -> Result<usize, CloseFrame> {
        let size = message.len() + size_of::<(usize, C::In)>();
        if let Some(item) = self.codec.decode(message)? {
            self.taken.push_back((size, item));
        }
        Ok(size)
    }

    fn hand_on(&mut self, cx: &mut Context<'_>) {
        if self.taken.is_empty() {
            return;
        }
        if let Some(mut state) = self.inbox.append(mem::take(&mut self.taken)) {
            let reader = state.reader.rouse_beside(cx.waker());
            drop(state);
            reader.into_iter().for_each(Waker::wake);
        }
    }

    fn room(&mut self, cx: &mut Context<'_>) -> usize {
        let room = || {
            let size = self.inbox.size.load(Ordering::Relaxed);
            self.inbox.limit.saturating_sub(size)
        };
        if room() == 0 {
            // Whoever makes room does so under the lock: it is seen here, or wakes.
            let mut state = self.inbox.lock();
            state.driver.sleep(cx.waker());
            return room();
        }
        room()
    }

    fn end(&mut self, closed: Closed) {
        let frame = (closed.code != CloseCode::NO_STATUS)
            .then(|| CloseFrame::new(closed.code, closed.reason.clone()));
        if let Ok(Some(last)) = self.codec.decode(Message::Close(frame)) {
            self.taken.push_back((0, last));
        }
        if let Some(mut state) = self.inbox.append(mem::take(&mut self.taken)) {
            state.closed = Some(closed);
            let reader = state.reader.rouse();
            drop(state);
            reader.into_iter().for_each(Waker::wake);
        }
    }
}
