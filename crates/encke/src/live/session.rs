//! A session as the hub and its body share it.
//!
//! The hub's sweep wakes it when a ping is due, and takes its state away when the client stalls,
//! whether or not the server ever polls the body again.

use crate::{channel_log::Attachment, hub::Shared, log::Item, mark::Mark, serve::Peer};
use bytes::Bytes;
use encke_proto::{Disconnect, Encoder, Output, Position, Session, Start, Transmit};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
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
    /// When bytes were handed over, until more are asked for.
    handed_over: Option<Instant>,
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
            output: Output::default(),
            handed_over: None,
        };
        Arc::new(Self {
            hub,
            peer,
            mark,
            state: Mutex::new(Some(state)),
        })
    }

    pub(crate) fn hub(&self) -> &Arc<Shared> {
        &self.hub
    }

    /// The bytes to send next; `None` after the last.
    pub(crate) fn poll_bytes(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Stalled>>> {
        let now = Shared::now();
        self.mark.arm(cx.waker());
        let polled = self.poll_state(now);
        // Encoding may have taken the hub over its limit.
        self.hub.trim(now);
        polled
    }

    fn poll_state(&self, now: Instant) -> Poll<Option<Result<Bytes, Stalled>>> {
        let mut slot = self.lock();
        let Some(state) = slot.as_mut() else {
            return Poll::Ready(Some(Err(Stalled)));
        };
        let mut bytes = state.next_bytes(&self.hub, now);
        // Asked after the logs' locks were held: the shutdown sets its mark under them.
        if bytes.is_empty() && self.is_to_end() {
            state.session.handle_disconnect(Disconnect::Shutdown);
            bytes = state.next_bytes(&self.hub, now);
        }
        if !bytes.is_empty() {
            state.handed_over = Some(now);
            return Poll::Ready(Some(Ok(bytes)));
        }
        state.handed_over = None;
        match state.session.is_ended() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Whether hub or server are shutting down: both see to it that bodies are polled then.
    fn is_to_end(&self) -> bool {
        let peer = self.peer.as_ref();
        self.hub.is_closing() || peer.is_some_and(|peer| peer.shutdown().has_begun())
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
            self.peer.iter().for_each(|peer| peer.stalls());
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
        let stalled = self.peer.as_ref().is_some_and(|peer| peer.has_stalled());
        self.hub.counters.ended(match state.session.is_ended() {
            true => Some(Disconnect::Shutdown),
            false => stalled.then_some(Disconnect::Stalled),
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
                self.encoder.gap(channel, &gap, positions, out);
            }
            Transmit::Ping => self.encoder.ping(out),
            // A stream of HTTP says goodbye by ending.
            Transmit::Disconnect(_) => {}
        }
    }
}
