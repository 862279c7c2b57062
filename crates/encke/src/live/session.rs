//! A session as the hub and its body share it.
//!
//! The hub's sweep wakes it when a ping is due, and takes its state away when the client stalls,
//! whether or not the server ever polls the body again.

use super::speaker::{Speaker, WRITE_SIZE, going_away};
use crate::{
    channel_log::Attachment, hub::Shared, mark::Mark, serve::Peer, subscribe::Unavailable,
};
use bytes::Bytes;
use encke_proto::{
    Channel, Channels, Data, Disconnect, Encoder, Output, Position, Session, Start, Transport,
    ws::CloseFrame,
};
use futures_util::future::try_join_all;
use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// One connected client.
pub(crate) struct LiveSession {
    hub: Arc<Shared>,
    /// The connection, where it is one of our own server's.
    peer: Option<Peer>,
    mark: Arc<Mark>,
    /// Its place among those of its hub, or [`NOWHERE`].
    key: AtomicUsize,
    /// `None` when the session is over.
    state: Mutex<Option<State>>,
}

/// How long an offer to leave HTTP may stand: it is answered when the client's socket has taken the
/// session's first bytes, and never if a layer keeps those to itself.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// The key of a session that is not among those of its hub.
const NOWHERE: usize = usize::MAX;

pub(crate) type SessionHandle = Arc<LiveSession>;

struct State {
    speaker: Speaker,
    attachments: Box<[Attachment]>,
    /// Encoded and not handed over yet: less than a write, or the rest of one publication.
    output: Output,
    /// When bytes were handed over, until more are asked for.
    handed_over: Option<Instant>,
    /// The task that was given everything, and is woken when there is more.
    up_to_date: Option<Waker>,
    /// What a WebSocket closes with.
    close: CloseFrame,
}

/// What a client asked for.
pub(crate) struct Asked<'a> {
    pub(crate) transport: Transport,
    pub(crate) envelope: bool,
    pub(crate) channels: Arc<[Channel]>,
    /// One per channel.
    pub(crate) starts: &'a [Start],
}

/// What a session is, apart from how it is served.
pub(crate) struct Parts {
    pub(crate) hub: Arc<Shared>,
    pub(crate) speaker: Speaker,
    /// Its places in the logs.
    pub(crate) attachments: Box<[Attachment]>,
    /// Encoded and not sent.
    pub(crate) output: Output,
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
    pub(crate) async fn open(
        hub: Arc<Shared>,
        peer: Option<Peer>,
        asked: Asked<'_>,
    ) -> Result<Arc<Self>, Unavailable> {
        let mark = Arc::new(Mark::new());
        let places = asked.channels.iter().zip(asked.starts);
        let placed = places.map(|(channel, start)| hub.attach(channel, *start, &mark));
        let placed = try_join_all(placed).await?;
        let (attachments, cursors): (Vec<_>, Vec<Position>) = placed.into_iter().unzip();
        // Most sessions are on one channel, whose name they need not hold themselves.
        let channels = match &attachments[..] {
            [one] => one.channels().clone(),
            _ => Channels::new(&*asked.channels),
        };
        let encoder = Encoder::new(asked.transport, asked.envelope, channels);
        // A WebSocket's own rules ping it, and expect an answer.
        let keep_alive = match encoder.is_web_socket() {
            true => Duration::ZERO,
            false => hub.config.keep_alive,
        };
        let session = Session::new(&cursors, keep_alive, Shared::now());
        let state = State {
            speaker: Speaker::new(session, encoder),
            attachments: attachments.into(),
            output: Output::default(),
            handed_over: None,
            up_to_date: None,
            close: going_away(),
        };
        Ok(Arc::new(Self {
            hub,
            peer,
            mark,
            key: AtomicUsize::new(NOWHERE),
            state: Mutex::new(Some(state)),
        }))
    }

    pub(super) fn hub(&self) -> &Arc<Shared> {
        &self.hub
    }

    /// The bytes to send next; `None` after the last.
    pub(crate) fn poll_bytes(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Stalled>>> {
        let task = cx.waker();
        if !self.mark.is_set() && self.is_up_to_date(task) {
            return Poll::Pending;
        }
        self.arm(task);
        let now = Shared::now();
        let polled = self.poll_state(now, Some(task), |_| Goes::On);
        self.hub.trim(now);
        polled
    }

    /// Whether this task was given everything that was there when it was armed: servers ask once more
    /// behind all they get, which so costs little.
    fn is_up_to_date(&self, task: &Waker) -> bool {
        let mut slot = self.lock();
        let Some(state) = slot.as_mut() else {
            return false;
        };
        let told = state.up_to_date.as_ref();
        let up_to_date = told.is_some_and(|told| told.will_wake(task)) && !self.is_to_end();
        if up_to_date {
            state.handed_over = None;
        }
        up_to_date
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
        let polled = self.poll_state(now, None, control);
        // Encoding may have taken the hub over its limit.
        self.hub.trim(now);
        polled
    }

    fn poll_state(
        &self,
        now: Instant,
        task: Option<&Waker>,
        control: impl FnOnce(&mut Output) -> Goes,
    ) -> Poll<Option<Result<Bytes, Stalled>>> {
        let mut slot = self.lock();
        let Some(state) = slot.as_mut() else {
            return Poll::Ready(Some(Err(Stalled)));
        };
        if control(&mut state.output) == Goes::Away {
            state.speaker.session.end();
        }
        let attachments = &state.attachments;
        let close = state.speaker.speak_until(
            &self.hub,
            |channel| &attachments[channel],
            now,
            || self.is_to_end(),
            &mut state.output,
        );
        if let Some(close) = close {
            state.close = close;
        }
        let ended = state.speaker.session.is_ended();
        let said_all = state.output.len() < WRITE_SIZE && !ended;
        let bytes = state.output.take(WRITE_SIZE);
        let task = task.filter(|_| said_all && state.output.is_empty());
        match (&mut state.up_to_date, task) {
            (Some(told), Some(task)) => told.clone_from(task),
            (told, task) => *told = task.cloned(),
        }
        if !bytes.is_empty() {
            // Whether a socket takes them, who writes them knows better.
            state.handed_over = (!state.speaker.encoder.is_web_socket()).then_some(now);
            return Poll::Ready(Some(Ok(bytes)));
        }
        state.handed_over = None;
        match ended {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Takes the session away from here, to be served elsewhere; `None` where it is over.
    pub(crate) fn detach(&self) -> Option<Parts> {
        let State {
            speaker,
            attachments,
            output,
            ..
        } = self.lock().take()?;
        self.hub.detach(self.take_key());
        Some(Parts {
            hub: self.hub.clone(),
            speaker,
            attachments,
            output,
        })
    }

    /// Whether hub or server are shutting down: both see to it that sessions are polled then.
    fn is_to_end(&self) -> bool {
        let peer = self.peer.as_ref();
        self.hub.is_closing() || peer.is_some_and(|peer| peer.shutdown().has_begun())
    }

    /// Its one channel, or the first of several; `None` where the session is over.
    pub(super) fn channel(&self) -> Option<Channel> {
        let state = self.lock();
        Some(state.as_ref()?.speaker.encoder.channels()[0].clone())
    }

    /// Publishes what the client says on its one channel, where that need not be waited for; not once
    /// the hub is shut down.
    pub(super) fn publish(&self, data: &Data) {
        if let Some(channel) = self.channel() {
            self.hub.publish_said(&channel, data);
        }
    }

    /// Ends it here, whatever there may be.
    pub(super) fn end_with(&self, close: CloseFrame) {
        if let Some(state) = self.lock().as_mut() {
            state.speaker.session.end();
            state.close = close;
        }
    }

    /// How long its client may take nothing while data waits.
    pub(super) fn stall_limit(&self) -> Duration {
        self.hub.config.stall_limit
    }

    /// What a WebSocket says when the session has ended by itself; `None` where it stalled.
    pub(crate) fn close_frame(&self) -> Option<CloseFrame> {
        self.lock().as_ref().map(|state| state.close.clone())
    }

    /// Ends a session whose client stalled; wakes one whose ping is due.
    pub(crate) fn sweep(&self, now: Instant) {
        let slot = self.lock();
        let Some(state) = slot.as_ref() else { return };
        let waited = |limit| {
            let at = state.handed_over;
            at.is_some_and(|at| now.saturating_duration_since(at) >= limit)
        };
        if let Some(peer) = &self.peer
            && waited(ANSWER_LIMIT)
        {
            peer.withdraw();
        }
        let stalled = waited(self.stall_limit());
        let timeout = state.speaker.session.next_timeout();
        let due = timeout.is_some_and(|at| at <= now);
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
        } else if state.speaker.session.is_ended() && self.is_to_end() {
            Some(Disconnect::Shutdown)
        } else {
            None
        });
    }

    fn take_key(&self) -> Option<usize> {
        let key = self.key.swap(NOWHERE, Relaxed);
        (key != NOWHERE).then_some(key)
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session among those of its hub, ended and forgotten when dropped.
pub(super) struct Member {
    session: SessionHandle,
}

impl Member {
    pub(super) fn join(session: SessionHandle) -> Self {
        let key = session.hub.join(session.clone());
        session.key.store(key, Relaxed);
        Self { session }
    }

    pub(super) fn handle(&self) -> SessionHandle {
        self.session.clone()
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
        if let Some(key) = self.session.take_key() {
            self.session.hub.leave(key);
        }
        self.session.close();
    }
}
