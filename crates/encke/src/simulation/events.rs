//! What is on its way, in the order in which it happens.

use crate::broker::{Announcements, BrokerError, Publishing, Snapshot};
use encke_proto::{Data, Position};
use std::collections::BTreeMap;
use tokio::{sync::oneshot, time::Instant};

pub(super) enum Event {
    /// A question reaches the engine.
    Ask {
        from: Line,
        question: Question,
        asked: Instant,
        /// `None` where nobody waits any more.
        reply: Option<Reply>,
    },
    /// An answer reaches a node.
    Answer {
        from: Line,
        answer: Result<Answered, BrokerError>,
        reply: Reply,
    },
    /// The engine hears which channels a connection wants announced, and which not.
    Follow {
        from: Line,
        channels: Vec<usize>,
    },
    Unfollow {
        from: Line,
        channel: usize,
    },
    /// A node hears that they are.
    Followed {
        to: Line,
        node: Announcements,
        channels: Vec<usize>,
    },
    Announce {
        to: Line,
        node: Announcements,
        channel: usize,
        position: Position,
        data: Data,
    },
    /// A node notices that its connection is gone.
    Notice(Line),
    /// A node tries to connect.
    Connect(Line),
    /// The engine is back.
    Return,
}

/// One of the connections that a node has in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) node: usize,
    pub(super) number: u64,
}

#[derive(Debug)]
pub(super) enum Question {
    Publish(Publishing),
    Read(usize, Option<Position>),
    Heads(Vec<usize>),
    Report,
    Audience(usize),
}

#[derive(Debug)]
pub(super) enum Answered {
    Published(Position),
    Snapshot(Snapshot),
    Heads(Vec<Option<Position>>),
    Done,
    Audience(u64, Position),
}

pub(super) type Reply = oneshot::Sender<Result<Answered, BrokerError>>;

#[derive(Default)]
pub(super) struct Events {
    /// By time, and in the order in which they were made.
    coming: BTreeMap<(Instant, u64), Event>,
    made: u64,
    /// When the next one is waited for.
    awaited: Option<Instant>,
}

impl Events {
    pub(super) fn push(&mut self, at: Instant, event: Event) {
        self.made += 1;
        self.coming.insert((at, self.made), event);
    }

    /// When the next one comes, which is waited for from here on, but not for longer than `until`.
    pub(super) fn await_next(&mut self, until: Instant) -> Instant {
        let next = self.next_at().map_or(until, |next| next.min(until));
        self.awaited = Some(next);
        next
    }

    /// Whether one comes sooner than is waited for.
    pub(super) fn is_sooner(&self) -> bool {
        self.next_at() < self.awaited
    }

    fn next_at(&self) -> Option<Instant> {
        self.coming.keys().next().map(|(at, _)| *at)
    }

    /// The next one, if its time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Event> {
        let next = self.coming.first_entry()?;
        (next.key().0 <= now).then(|| next.remove())
    }
}
