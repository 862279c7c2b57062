//! The engine that all nodes share: streams in memory, a clock of its own, and ways to lose both.

use super::{
    rng::Rng,
    truth::{Id, Truth},
};
use crate::{
    broker::{Kept, Snapshot},
    config::Retention,
    log::{Branch, Lineage},
};
use encke_proto::{Data, Epoch, Position};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) struct Engine {
    pub(super) truth: Truth,
    /// One for each channel, once it was used.
    streams: Vec<Option<Stream>>,
    retention: Retention,
    idempotency_window: Duration,
    begun: Instant,
    /// How far the clock was put forward, in milliseconds.
    shift: i64,
    /// What it will have when it is back, where it is away.
    pub(super) left: Option<Left>,
    /// What its ages say may be too young.
    pub(super) clock_ran_back: bool,
    /// How often a channel was read.
    pub(super) reads: u64,
    /// Keys of publications may have been lost, or thought too old.
    pub(super) forgot_keys: bool,
}

struct Stream {
    epoch: Epoch,
    /// Where this epoch began.
    born: u64,
    /// The epochs before, the newest first.
    before: Vec<Ancestor>,
    head: u64,
    kept: VecDeque<Entry>,
    keys: Vec<Key>,
}

#[derive(Clone, Copy)]
struct Ancestor {
    epoch: Epoch,
    born: u64,
    until: u64,
}

struct Entry {
    offset: u64,
    data: Data,
    /// By the engine's clock, in milliseconds.
    at: i64,
}

struct Key {
    text: Arc<str>,
    position: Position,
    at: i64,
}

/// What the engine has left when it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Everything, as it was.
    Same,
    /// All but this many of the newest publications of each channel, in a new epoch.
    AllBut(u64),
    Nothing,
}

impl Engine {
    pub(super) fn new(channels: usize, retention: Retention, idempotency_window: Duration) -> Self {
        Self {
            truth: Truth::default(),
            streams: (0..channels).map(|_| None).collect(),
            retention,
            idempotency_window,
            begun: Instant::now(),
            shift: 0,
            left: None,
            clock_ran_back: false,
            reads: 0,
            forgot_keys: false,
        }
    }

    /// Gives the position of the publication, and whether it is a new one.
    pub(super) fn publish(
        &mut self,
        channel: usize,
        id: Id,
        data: Data,
        key: Option<Arc<str>>,
    ) -> (Position, bool) {
        let (at, window) = (self.now(), self.idempotency_window.as_millis() as i64);
        self.stream(channel);
        let Self { truth, streams, .. } = self;
        let stream = streams[channel].as_mut().expect("made above");
        if let Some(text) = &key {
            let known = stream.keys.iter().rev().find(|known| known.text == *text);
            if let Some(known) = known {
                if at - known.at < window {
                    return (known.position, false);
                }
                self.forgot_keys = true;
            }
        }
        let position = truth.add(stream.epoch, id);
        stream.head += 1;
        debug_assert_eq!(stream.head, position.offset);
        let offset = position.offset;
        stream.kept.push_back(Entry { offset, data, at });
        if let Some(text) = key {
            stream.keys.push(Key { text, position, at });
        }
        self.trim(channel);
        (position, true)
    }

    /// What is kept behind `after`. Where that is in an epoch before, engines differ.
    pub(super) fn read(
        &mut self,
        channel: usize,
        after: Option<Position>,
        rng: &mut Rng,
    ) -> Snapshot {
        self.reads += 1;
        self.trim(channel);
        let now = self.now();
        let stream = self.stream(channel);
        let behind = match after {
            Some(after) if after.epoch == stream.epoch && after.offset <= stream.head => {
                after.offset
            }
            Some(after) => {
                let until = stream.lineage().until(after.epoch);
                let continues = until.is_some_and(|until| after.offset <= until);
                if continues && rng.happens(500) {
                    after.offset
                } else {
                    0
                }
            }
            None => 0,
        };
        let kept = stream.kept.iter().filter(|entry| entry.offset > behind);
        Snapshot {
            head: stream.head(),
            lineage: stream.lineage(),
            kept: kept
                .map(|entry| Kept {
                    offset: entry.offset,
                    data: entry.data.clone(),
                    age: Duration::from_millis((now - entry.at).max(0) as u64),
                })
                .collect(),
        }
    }

    /// Where a channel stands; `None` where it was never used.
    pub(super) fn head(&self, channel: usize) -> Option<Position> {
        self.streams[channel].as_ref().map(Stream::head)
    }

    /// Where a channel stands, which begins with the question.
    pub(super) fn head_of(&mut self, channel: usize) -> Position {
        self.stream(channel).head()
    }

    /// The first offset that is kept, or the next one.
    pub(super) fn first_kept(&mut self, channel: usize) -> u64 {
        self.trim(channel);
        let stream = self.stream(channel);
        stream
            .kept
            .front()
            .map_or(stream.head + 1, |entry| entry.offset)
    }

    pub(super) fn put_clock(&mut self, forward: i64) {
        self.shift += forward;
        self.clock_ran_back |= forward < 0;
        self.forgot_keys = true;
    }

    pub(super) fn is_away(&self) -> bool {
        self.left.is_some()
    }

    /// Comes back, if it is away, with what is left.
    pub(super) fn restart(&mut self, rng: &mut Rng) {
        let Some(left) = self.left.take() else { return };
        for channel in 0..self.streams.len() {
            match left {
                Left::Same => {}
                Left::AllBut(lost) => self.lose_newest(channel, lost, rng),
                Left::Nothing => self.forget(channel),
            }
        }
    }

    pub(super) fn forget(&mut self, channel: usize) {
        self.forgot_keys = true;
        self.streams[channel] = None;
    }

    fn lose_newest(&mut self, channel: usize, lost: u64, rng: &mut Rng) {
        let Some(stream) = &mut self.streams[channel] else {
            return;
        };
        self.forgot_keys |= lost > 0;
        let head = stream.head.saturating_sub(lost);
        let newest = Ancestor {
            epoch: stream.epoch,
            born: stream.born,
            until: head,
        };
        stream.before.insert(0, newest);
        // A replica that lags may not have heard of the newest epochs at all.
        if rng.happens(500) {
            let heard = stream
                .before
                .iter()
                .position(|ancestor| ancestor.born <= head);
            stream.before.drain(..heard.unwrap_or(0));
            stream.before[0].until = head;
        }
        let parent = Position::new(stream.before[0].epoch, head);
        stream.head = head;
        stream.born = head;
        stream.kept.retain(|entry| entry.offset <= head);
        stream.keys.retain(|key| key.position.offset <= head);
        stream.epoch = self.truth.begin(Some(parent), stream.lineage());
    }

    fn stream(&mut self, channel: usize) -> &mut Stream {
        let Self { truth, streams, .. } = self;
        streams[channel].get_or_insert_with(|| Stream {
            epoch: truth.begin(None, Lineage::default()),
            born: 0,
            before: Vec::new(),
            head: 0,
            kept: VecDeque::new(),
            keys: Vec::new(),
        })
    }

    /// Lets go what is outside both bounds.
    fn trim(&mut self, channel: usize) {
        let (now, retention) = (self.now(), self.retention);
        let stream = self.stream(channel);
        let weight = |entry: &Entry| entry.data.len() + 64;
        let mut bytes: usize = stream.kept.iter().map(weight).sum();
        while let Some(oldest) = stream.kept.front() {
            let age = Duration::from_millis((now - oldest.at).max(0) as u64);
            let is_history =
                stream.kept.len() <= retention.history_len && age < retention.history_age;
            let fits = stream.kept.len() == 1 || bytes <= retention.window_bytes;
            if is_history || (fits && age < retention.window_age) {
                return;
            }
            bytes -= weight(oldest);
            stream.kept.pop_front();
        }
    }

    fn now(&self) -> i64 {
        self.begun.elapsed().as_millis() as i64 + self.shift
    }
}

impl Stream {
    fn head(&self) -> Position {
        Position::new(self.epoch, self.head)
    }

    fn lineage(&self) -> Lineage {
        Lineage::new(self.before.iter().map(|ancestor| Branch {
            epoch: ancestor.epoch,
            until: ancestor.until,
        }))
    }
}
