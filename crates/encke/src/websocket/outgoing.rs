//! What goes out: from the application to the driver, bounded in bytes.

use super::codec::Codec;
use crate::{BoxError, SendError};
use encke_proto::ws::{CloseCode, CloseFrame, Message};
use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};
use tokio::sync::Notify;

/// What happens to a message that finds the outgoing buffer full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// Its sender waits. One that cannot, [`Outgoing::write`], closes the socket as
    /// [`Close`](Self::Close) does.
    #[default]
    Wait,
    /// The socket is closed with 1013, and what waits is not sent.
    Close,
    /// The oldest waiting messages are dropped.
    DropOldest,
    /// It is dropped itself.
    DropNewest,
}

/// What an application sends, from wherever it is. The clones are one.
///
/// It does not keep the socket open, and dropping it does not close it: the future or stream that
/// the socket was accepted with does, or [`close`](Self::close).
pub struct Outgoing<T> {
    outbox: Arc<Outbox>,
    codec: Arc<dyn Encode<T>>,
}

trait Encode<T>: Send + Sync {
    fn encode(&self, item: T) -> Result<Message, BoxError>;
}

impl<C: Codec> Encode<C::Out> for C {
    fn encode(&self, item: C::Out) -> Result<Message, BoxError> {
        Codec::encode(self, item)
    }
}

impl<T> Outgoing<T> {
    pub(super) fn new<C: Codec<Out = T>>(outbox: Arc<Outbox>, codec: Arc<C>) -> Self {
        Self { outbox, codec }
    }

    /// Sends a message, as soon as there is room for it.
    ///
    /// It returns before the client has it. Where the policy is not to wait, this does not.
    ///
    /// # Errors
    ///
    /// When the socket is closed or closing, or the item cannot be encoded.
    ///
    /// # Cancel safety
    ///
    /// A message whose future was dropped before it returned was not sent.
    pub async fn send(&self, item: impl Into<T>) -> Result<(), SendError> {
        let message = self.encode(item)?;
        self.outbox.send(message).await
    }

    /// Sends a message without waiting, and says whether it is on its way.
    ///
    /// It is not where the socket is closed or the [policy](Overflow) drops it; an item that cannot
    /// be encoded closes the socket with 1011.
    pub fn write(&self, item: impl Into<T>) -> bool {
        match self.encode(item) {
            Ok(message) => match self.outbox.push(message) {
                Push::Taken => true,
                Push::Dropped | Push::Closed => false,
                Push::Full(_) => {
                    self.outbox.overflow();
                    false
                }
            },
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "socket closed");
                self.outbox.end(Some(CloseCode::INTERNAL_ERROR.into()));
                false
            }
        }
    }

    /// Closes the socket with 1000, after what was sent.
    pub fn close(&self) {
        self.close_with(CloseCode::NORMAL);
    }

    /// Closes the socket with a code, and perhaps a reason, after what was sent.
    pub fn close_with(&self, frame: impl Into<CloseFrame>) {
        self.outbox.end(Some(frame.into()));
    }

    /// Resolves when nothing more can be sent: the client has left, or the socket is closing.
    pub async fn closed(&self) {
        self.outbox.closed().await;
    }

    /// How many messages were dropped while they waited: by the [policy](Overflow), or because the
    /// socket ended.
    pub fn dropped(&self) -> u64 {
        self.outbox.dropped()
    }

    pub(super) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    fn encode(&self, item: impl Into<T>) -> Result<Message, SendError> {
        self.codec.encode(item.into()).map_err(SendError::Encode)
    }
}

impl<T> Clone for Outgoing<T> {
    fn clone(&self) -> Self {
        Self {
            outbox: self.outbox.clone(),
            codec: self.codec.clone(),
        }
    }
}

impl<T> fmt::Debug for Outgoing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// Items that are ready together, to be sent in one go: what was added is sent, whatever becomes of
/// whoever adds.
pub(super) struct Together<'a, C> {
    codec: &'a C,
    outbox: &'a Outbox,
    messages: VecDeque<Message>,
    size: usize,
}

impl<'a, C: Codec> Together<'a, C> {
    pub(super) fn new(codec: &'a C, outbox: &'a Outbox) -> Self {
        Self {
            codec,
            outbox,
            messages: VecDeque::new(),
            size: 0,
        }
    }

    pub(super) fn add(&mut self, item: C::Out) -> Result<(), BoxError> {
        let message = self.codec.encode(item).map_err(SendError::Encode)?;
        self.size += size(&message);
        self.messages.push_back(message);
        Ok(())
    }

    /// Whether it has its part of what may wait.
    pub(super) fn is_full(&self) -> bool {
        self.size >= self.outbox.limit / BATCH
    }

    /// Sends them, as soon as there is room.
    pub(super) async fn send(mut self) -> Result<(), SendError> {
        if self.outbox.push_all(&mut self.messages) {
            return Ok(());
        }
        while let Some(message) = self.messages.pop_front() {
            self.outbox.send(message).await?;
        }
        Ok(())
    }
}

impl<C> Drop for Together<'_, C> {
    fn drop(&mut self) {
        self.outbox.push_all(&mut self.messages);
    }
}

/// The part of the outgoing limit that is heard, or answered, at once: where an answer is about as
/// long as what it answers, it never finds the buffer full.
pub(super) const BATCH: usize = 4;

/// Messages that wait for the socket.
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Something may wait: told under the lock, so that the driver need not take it to see nothing.
    waiting: AtomicBool,
    /// The driver sleeps. It says so and then looks whether something waits; who puts something there
    /// does the same the other way round: so one of them sees the other.
    asleep: AtomicBool,
    limit: usize,
    overflow: Overflow,
    /// There is room again for senders that wait, or will never be.
    room: Notify,
    /// Nothing more is taken.
    ended: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Message>,
    size: usize,
    /// A sender waits for room.
    awaited: bool,
    closed: bool,
    dropped: u64,
    driver: Option<Waker>,
}

enum Push {
    Taken,
    Dropped,
    Full(Message),
    Closed,
}

fn size(message: &Message) -> usize {
    message.len() + size_of::<Message>()
}

impl Outbox {
    pub(super) fn new(limit: usize, overflow: Overflow) -> Self {
        Self {
            state: Mutex::default(),
            waiting: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            limit,
            overflow,
            room: Notify::new(),
            ended: Notify::new(),
        }
    }

    pub(super) async fn send(&self, mut message: Message) -> Result<(), SendError> {
        // Most need not wait.
        match self.push(message) {
            Push::Taken | Push::Dropped => return Ok(()),
            Push::Closed => return Err(SendError::Closed),
            Push::Full(back) => message = back,
        }
        loop {
            let room = self.room.notified();
            match self.push(message) {
                Push::Taken | Push::Dropped => return Ok(()),
                Push::Closed => return Err(SendError::Closed),
                Push::Full(back) => message = back,
            }
            room.await;
        }
    }

    fn push(&self, message: Message) -> Push {
        if let Message::Close(frame) = message {
            return if self.end(frame) {
                Push::Taken
            } else {
                Push::Closed
            };
        }
        let mut state = self.lock();
        if state.closed {
            return Push::Closed;
        }
        let size = size(&message);
        if !state.queue.is_empty() && state.size + size > self.limit {
            match self.overflow {
                Overflow::Wait => {
                    state.awaited = true;
                    return Push::Full(message);
                }
                Overflow::Close => {
                    drop(state);
                    self.overflow();
                    return Push::Closed;
                }
                Overflow::DropNewest => {
                    state.dropped += 1;
                    return Push::Dropped;
                }
                Overflow::DropOldest => state.make_room(size, self.limit),
            }
        }
        state.push(message);
        self.wake(state);
        Push::Taken
    }

    /// Takes all these messages if there is room for them.
    fn push_all(&self, messages: &mut VecDeque<Message>) -> bool {
        let is_close = |message: &Message| matches!(message, Message::Close(_));
        if messages.iter().any(is_close) {
            return false;
        }
        let size: usize = messages.iter().map(size).sum();
        let mut state = self.lock();
        if messages.is_empty() || state.closed || state.size + size > self.limit {
            return false;
        }
        state.size += size;
        if state.queue.is_empty() {
            mem::swap(&mut state.queue, messages);
        } else {
            state.queue.append(messages);
        }
        self.wake(state);
        true
    }

    /// Ends it, after what waits. Says whether it had not been ended.
    pub(super) fn end(&self, frame: Option<CloseFrame>) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.push(Message::Close(frame));
        state.closed = true;
        self.wake(state);
        self.wake_senders();
        true
    }

    fn overflow(&self) {
        let mut state = self.lock();
        if !state.closed {
            state.dropped += 1;
            state.clear();
        }
        drop(state);
        let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "Outgoing buffer is full");
        self.end(Some(frame));
    }

    /// Ends it in place of what waits.
    pub(super) fn end_at_once(&self, frame: CloseFrame) {
        let mut state = self.lock();
        state.clear();
        state.push(Message::Close(Some(frame)));
        state.closed = true;
        self.wake(state);
        self.wake_senders();
    }

    /// Throws away what waits, and takes no more.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.clear();
        drop(state);
        self.wake_senders();
    }

    /// Tells whoever waits that there will be no room.
    fn wake_senders(&self) {
        self.room.notify_waiters();
        self.ended.notify_waiters();
    }

    /// Takes the first messages, until they have so many bytes.
    pub(super) fn take(&self, bytes: usize) -> VecDeque<Message> {
        if !self.waiting.load(Ordering::Acquire) {
            return VecDeque::new();
        }
        let mut state = self.lock();
        let taken = state.take(bytes);
        self.waiting
            .store(!state.queue.is_empty(), Ordering::Release);
        let awaited = mem::take(&mut state.awaited);
        drop(state);
        if awaited {
            self.room.notify_waiters();
        }
        taken
    }

    /// The driver is at work: it need not be woken until it rests.
    pub(super) fn stay_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// From now on this is the driver's task.
    pub(super) fn driven_by(&self, task: &Waker) {
        self.lock().driver = Some(task.clone());
    }

    /// Has the driver's task woken when something comes, unless something waits.
    pub(super) fn rest(&self) -> bool {
        self.asleep.swap(true, Ordering::SeqCst);
        let waiting = self.waiting.load(Ordering::SeqCst);
        if waiting {
            self.stay_awake();
        }
        !waiting
    }

    /// How many bytes may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) async fn closed(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().closed {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Wakes the driver, where it sleeps, behind what was put there.
    fn wake(&self, state: MutexGuard<'_, State>) {
        self.waiting.store(true, Ordering::SeqCst);
        let asleep = self.asleep.swap(false, Ordering::SeqCst);
        let driver = state.driver.as_ref().filter(|_| asleep).cloned();
        drop(state);
        driver.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, message: Message) {
        self.size += size(&message);
        self.queue.push_back(message);
    }

    fn take(&mut self, bytes: usize) -> VecDeque<Message> {
        let (mut count, mut length) = (0, 0);
        for message in &self.queue {
            if length >= bytes {
                break;
            }
            // With the head it has at least.
            length += 2 + message.len();
            self.size -= size(message);
            count += 1;
        }
        let left = self.queue.split_off(count);
        mem::replace(&mut self.queue, left)
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.size -= size(&message);
        Some(message)
    }

    fn make_room(&mut self, wanted: usize, limit: usize) {
        while self.size + wanted > limit && self.pop().is_some() {
            self.dropped += 1;
        }
    }

    fn clear(&mut self) {
        let messages = self.queue.drain(..);
        let dropped = messages.filter(|message| !matches!(message, Message::Close(_)));
        self.dropped += dropped.count() as u64;
        self.size = 0;
    }
}
