//! A session as the hub and its body share it.
//!
//! The hub's sweep wakes it when a ping is due, and takes its state away when the client stalls,
//! whether or not the server ever polls the body again.

use crate::{channel_log::Attachment, hub::Shared, log::Item, mark::Mark};
use bytes::Bytes;
use encke_proto::{Disconnect, Encoder, Position, Session, Start, Transmit};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// Bytes after which a write is full: what is left comes with the next.
const WRITE_SIZE: usize = 64 << 10;

/// From this size on shared bytes are handed over by themselves rather than copied behind others.
const COPY_LIMIT: usize = 16 << 10;

/// One connected client.
pub(crate) struct LiveSession {
    hub: Arc<Shared>,
    mark: Arc<Mark>,
    /// `None` when the session is over.
    state: Mutex<Option<State>>,
}

pub(crate) type SessionHandle = Arc<LiveSession>;

struct State {
    session: Session,
    encoder: Encoder,
    attachments: Box<[Attachment]>,
    /// Encoded, and too large to go behind what was written before it.
    held: Option<Bytes>,
    /// When bytes were handed over, until more are asked for.
    handed_over: Option<Instant>,
}

/// The session was ended because its client took nothing.
#[derive(Debug, thiserror::Error)]
#[error("the client took nothing for too long while data waited")]
pub(crate) struct Stalled;

impl LiveSession {
    /// Places a cursor in every channel: nothing published from here on is missed.
    pub(crate) fn open(hub: Arc<Shared>, encoder: Encoder, starts: &[Start]) -> Arc<Self> {
        let mark = Arc::new(Mark::new());
        let (attachments, cursors): (Vec<_>, Vec<Position>) = encoder
            .channels()
            .iter()
            .zip(starts)
            .map(|(channel, start)| hub.attach(channel, *start, &mark))
            .unzip();
        let state = State {
            session: Session::new(cursors, hub.config.keep_alive, Shared::now()),
            encoder,
            attachments: attachments.into(),
            held: None,
            handed_over: None,
        };
        Arc::new(Self {
            hub,
            mark,
            state: Mutex::new(Some(state)),
        })
    }

    pub(crate) fn hub(&self) -> &Arc<Shared> {
        &self.hub
    }

    /// The bytes to send next; `None` after the last.
    pub(crate) fn poll_bytes(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Stalled>>> {
        let mut slot = self.lock();
        let Some(state) = slot.as_mut() else {
            return Poll::Ready(Some(Err(Stalled)));
        };
        let now = Shared::now();
        self.mark.arm(cx.waker());
        if self.hub.is_closing() {
            state.session.handle_disconnect(Disconnect::Shutdown);
        }
        let bytes = state.next_bytes(&self.hub, now);
        state.handed_over = (!bytes.is_empty()).then_some(now);
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if state.session.is_ended() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Ends a session whose client stalled; wakes one whose ping is due.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut slot = self.lock();
        let Some(state) = slot.as_ref() else { return };
        let stalled = state
            .handed_over
            .is_some_and(|at| now.saturating_duration_since(at) >= self.hub.config.stall_limit);
        let due = state.session.next_timeout().is_some_and(|at| at <= now);
        if stalled {
            let state = slot.take();
            drop(slot);
            drop(state);
            self.hub.counters.ended(Some(Disconnect::Stalled));
        } else {
            drop(slot);
            if !due {
                return;
            }
        }
        self.mark.set().into_iter().for_each(Waker::wake);
    }

    /// The server dropped the response.
    pub(crate) fn close(&self) {
        let Some(state) = self.lock().take() else {
            return;
        };
        let disconnect = state.session.is_ended().then_some(Disconnect::Shutdown);
        self.hub.counters.ended(disconnect);
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything between cursors and heads, up to a full write; nothing where there is none.
    fn next_bytes(&mut self, hub: &Shared, now: Instant) -> Bytes {
        let mut write = Write::default();
        if let Some(held) = self.held.take() {
            write.alone = held;
        }
        while write.len() < WRITE_SIZE {
            let Some(transmit) = self.next_transmit(now) else {
                break;
            };
            let shared = self.encode(transmit, hub, write.buffer());
            self.held = shared.and_then(|shared| write.push(shared));
            if self.held.is_some() {
                break;
            }
        }
        write.finish()
    }

    fn next_transmit(&mut self, now: Instant) -> Option<Transmit<Arc<Item>>> {
        let attachments = &self.attachments;
        self.session.poll_transmit(now, |channel, cursor| {
            attachments[channel].read(cursor, now)
        })
    }

    /// Gives bytes that are shared; writes those of this session alone.
    fn encode(
        &self,
        transmit: Transmit<Arc<Item>>,
        hub: &Shared,
        out: &mut Vec<u8>,
    ) -> Option<Bytes> {
        let positions = self.session.positions();
        match transmit {
            Transmit::Opened => self.encoder.opened(positions, out),
            Transmit::Publication {
                channel,
                publication: item,
            } => {
                let name = self.attachments[channel].channel();
                let encoded = item.encoded(self.encoder.framing(), name);
                let publication = item.publication();
                return self
                    .encoder
                    .publication(channel, publication, encoded, positions, out);
            }
            Transmit::Gap { channel, gap } => {
                hub.counters.gap();
                self.encoder.gap(channel, &gap, positions, out);
            }
            Transmit::Ping => self.encoder.ping(out),
            // A stream of HTTP says goodbye by ending.
            Transmit::Disconnect(_) => {}
        }
        None
    }
}

/// The bytes of one write: shared ones where they are all there is, copies one behind the other
/// where there is more.
#[derive(Default)]
struct Write {
    alone: Bytes,
    joined: Vec<u8>,
}

impl Write {
    fn len(&self) -> usize {
        self.alone.len() + self.joined.len()
    }

    /// Adds shared bytes; gives them back where they are too large to be copied.
    fn push(&mut self, shared: Bytes) -> Option<Bytes> {
        if self.len() == 0 {
            self.alone = shared;
        } else if shared.len() < COPY_LIMIT {
            self.buffer().extend_from_slice(&shared);
        } else {
            return Some(shared);
        }
        None
    }

    /// Where to write what is nobody else's.
    fn buffer(&mut self) -> &mut Vec<u8> {
        let alone = mem::take(&mut self.alone);
        self.joined.extend_from_slice(&alone);
        &mut self.joined
    }

    fn finish(self) -> Bytes {
        if self.joined.is_empty() {
            return self.alone;
        }
        self.joined.into()
    }
}
