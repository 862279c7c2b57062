//! A session as the hub and its body share it.
//!
//! The hub's sweep wakes it when a ping is due, and takes its state away when the client stalls,
//! whether or not the server ever polls the body again.

use crate::{channel_log::Attachment, hub::Shared, log::Item, mark::Mark, serve::Peer};
use bytes::Bytes;
use encke_proto::{
    Channel, Data, Disconnect, Encoder, Output, Position, Session, Start, Transmit,
    ws::{CloseCode, CloseFrame},
};
use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// Most bytes of one write. A client that takes one within the stall limit is slow, not stalled.
const WRITE_SIZE: usize = 16 << 10;

/// One connected client.
pub(crate) struct LiveSession {
    hub: Arc<Shared>,
    /// The connection, where it is one of our own server's.
    peer: Option<Arc<Peer>>,
    mark: Arc<Mark>,
    /// `None` when the session is over.
    state: Mutex<Option<State>>,
}

pub(crate) type SessionHandle = Arc<LiveSession>;

struct State {
    session: Session,
    encoder: Encoder,
    attachments: Box<[Attachment]>,
    /// Encoded and not handed over yet: less than a write, or the rest of one publication.
    output: Output,
    /// What a WebSocket says in the end, where that is not 1001.
    close: Option<Box<CloseFrame>>,
    /// When bytes were handed over, until more are asked for.
    handed_over: Option<Instant>,
}

/// Whether a client that was heard wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    On,
    Away,
}

/// The session was ended because its client took nothing.
#[derive(Debug, thiserror::Error)]
#[error("the client took nothing for too long while data waited")]
pub(crate) struct Stalled;

impl LiveSession {
    /// Places a cursor in every channel: nothing published from here on is missed.
    pub(crate) fn open(
        hub: Arc<Shared>,
        peer: Option<Arc<Peer>>,
        encoder: Encoder,
        starts: &[Start],
    ) -> Arc<Self> {
        let mark = Arc::new(Mark::new());
        // A WebSocket's own rules ping it, and expect an answer.
        let keep_alive = match encoder.is_web_socket() {
            true => Duration::ZERO,
            false => hub.config.keep_alive,
        };
        let (attachments, cursors): (Vec<_>, Vec<Position>) = encoder
            .channels()
            .iter()
            .zip(starts)
            .map(|(channel, start)| hub.attach(channel, *start, &mark))
            .unzip();
        let state = State {
            session: Session::new(cursors, keep_alive, Shared::now()),
            encoder,
            attachments: attachments.into(),
            output: Output::default(),
            close: None,
            handed_over: None,
        };
        Arc::new(Self {
            hub,
            peer,
            mark,
            state: Mutex::new(Some(state)),
        })
    }

    /// The bytes to send next; `None` after the last.
    pub(crate) fn poll_bytes(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Stalled>>> {
        self.arm(cx.waker());
        self.next_bytes(Shared::now(), |_| Goes::On)
    }

    /// Has the task woken when there is more, from now on.
    pub(crate) fn arm(&self, waker: &Waker) {
        self.mark.arm(waker);
    }

    /// As [`poll_bytes`](Self::poll_bytes), behind what `control` writes between two publications,
    /// and for those who are armed.
    pub(crate) fn next_bytes(
        &self,
        now: Instant,
        control: impl FnOnce(&mut Output) -> Goes,
    ) -> Poll<Option<Result<Bytes, Stalled>>> {
        let polled = self.poll_state(now, control);
        // Encoding may have taken the hub over its limit.
        self.hub.trim(now);
        polled
    }

    fn poll_state(
        &self,
        now: Instant,
        control: impl FnOnce(&mut Output) -> Goes,
    ) -> Poll<Option<Result<Bytes, Stalled>>> {
        let mut slot = self.lock();
        let Some(state) = slot.as_mut() else {
            return Poll::Ready(Some(Err(Stalled)));
        };
        if control(&mut state.output) == Goes::Away {
            state.session.end();
        }
        let mut bytes = state.next_bytes(&self.hub, now);
        // Asked after the logs' locks were held: the shutdown sets its mark under them.
        if bytes.is_empty() && self.is_to_end() {
            state.session.handle_disconnect(Disconnect::Shutdown);
            bytes = state.next_bytes(&self.hub, now);
        }
        if !bytes.is_empty() {
            // Whether a socket takes them, who writes them knows better.
            state.handed_over = (!state.encoder.is_web_socket()).then_some(now);
            return Poll::Ready(Some(Ok(bytes)));
        }
        state.handed_over = None;
        match state.session.is_ended() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Whether hub or server are shutting down: both see to it that sessions are polled then.
    fn is_to_end(&self) -> bool {
        let peer = self.peer.as_ref();
        self.hub.is_closing() || peer.is_some_and(|peer| peer.shutdown().has_begun())
    }

    /// Publishes what the client says; not once the hub is shut down.
    pub(super) fn publish(&self, channel: &Channel, data: &Data) {
        if !self.hub.is_closing() {
            self.hub.publish(channel, data);
        }
    }

    /// How long its client may take nothing while data waits.
    pub(super) fn stall_limit(&self) -> Duration {
        self.hub.config.stall_limit
    }

    /// What a WebSocket says when the session has ended by itself; `None` where it stalled.
    pub(crate) fn close_frame(&self) -> Option<CloseFrame> {
        let slot = self.lock();
        let close = slot.as_ref()?.close.as_deref().cloned();
        Some(close.unwrap_or_else(|| CloseCode::GOING_AWAY.into()))
    }

    /// Ends a session whose client stalled; wakes one whose ping is due.
    pub(crate) fn sweep(&self, now: Instant) {
        let slot = self.lock();
        let Some(state) = slot.as_ref() else { return };
        let stalled = state
            .handed_over
            .is_some_and(|at| now.saturating_duration_since(at) >= self.stall_limit());
        let due = state.session.next_timeout().is_some_and(|at| at <= now);
        drop(slot);
        if stalled {
            self.stalls();
        }
        if stalled || due {
            self.mark.set().into_iter().for_each(Waker::wake);
        }
    }

    /// Ends it because its client takes nothing.
    pub(crate) fn stalls(&self) {
        let Some(state) = self.lock().take() else {
            return;
        };
        drop(state);
        self.hub.counters.ended(Some(Disconnect::Stalled));
        self.peer.iter().for_each(|peer| peer.stalls());
    }

    /// The server dropped the response.
    pub(crate) fn close(&self) {
        let Some(state) = self.lock().take() else {
            return;
        };
        let stalled = self.peer.as_ref().is_some_and(|peer| peer.has_stalled());
        self.hub.counters.ended(if stalled {
            Some(Disconnect::Stalled)
        } else if state.session.is_ended() && self.is_to_end() {
            Some(Disconnect::Shutdown)
        } else {
            None
        });
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything between cursors and heads, up to a full write; nothing where there is none.
    fn next_bytes(&mut self, hub: &Shared, now: Instant) -> Bytes {
        while self.output.len() < WRITE_SIZE {
            let Some(transmit) = self.next_transmit(now) else {
                break;
            };
            self.encode(transmit, hub);
        }
        self.output.take(WRITE_SIZE)
    }

    fn next_transmit(&mut self, now: Instant) -> Option<Transmit<Arc<Item>>> {
        let attachments = &self.attachments;
        self.session.poll_transmit(now, |channel, cursor| {
            attachments[channel].read(cursor, now)
        })
    }

    fn encode(&mut self, transmit: Transmit<Arc<Item>>, hub: &Shared) {
        let positions = self.session.positions();
        let out = &mut self.output;
        match transmit {
            Transmit::Opened => self.encoder.opened(positions, out),
            Transmit::Publication {
                channel,
                publication: item,
            } => {
                let name = self.attachments[channel].channel();
                let encoded = item.encoded(self.encoder.framing(), name);
                let publication = item.publication();
                self.encoder
                    .publication(channel, publication, encoded, positions, out);
            }
            Transmit::Gap { channel, gap } => {
                hub.counters.gap();
                if let Some(close) = self.encoder.gap_close(&gap) {
                    self.close = Some(Box::new(close));
                    self.session.end();
                } else {
                    self.encoder.gap(channel, &gap, positions, out);
                }
            }
            Transmit::Ping => self.encoder.ping(out),
            // A stream of HTTP says goodbye by ending.
            Transmit::Disconnect(_) => {}
        }
    }
}

/// A session among those of its hub, ended and forgotten when dropped.
pub(super) struct Member {
    session: SessionHandle,
    key: usize,
}

impl Member {
    pub(super) fn join(session: SessionHandle) -> Self {
        let key = session.hub.join(session.clone());
        Self { session, key }
    }
}

impl Deref for Member {
    type Target = LiveSession;

    fn deref(&self) -> &LiveSession {
        &self.session
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.session.hub.leave(self.key);
        self.session.close();
    }
}
