//! How the log of a channel keeps up with its broker, on one node of several.
//!
//! Announcements append to the log where they follow its head. Where one does not, the log is read
//! from the broker: by one read at a time, however many wait for it. Invariant: the log has what the
//! broker had at some moment, and is only ever moved on.

use crate::{
    broker::{BrokerError, Kept, Snapshot},
    config::Retention,
    log::{Item, Log, Memory},
    reached::reached,
};
use encke_proto::{Data, Epoch, Position, Publication};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Instant,
};

/// Announcements that are kept while what is before them is read, in bytes: what is more is read too.
const EARLY_BYTES: usize = 1 << 20;

/// Weight of an announcement beside its data.
const EARLY_WEIGHT: usize = 128;

/// Reads that may fail to reach what was announced, before the next check looks again.
const SHORT_READS: u8 = 8;

/// Epochs that clients asked for in vain, which are not looked for again.
const DEAD_EPOCHS: usize = 16;

/// What a log needs to know beside its publications.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    /// Whether the log was read once. Before, nobody can be placed in it.
    is_known: bool,
    /// Reads that were begun, and ended.
    begun: u64,
    ended: u64,
    /// The last read that somebody waits for.
    wanted: u64,
    /// Why the last read failed.
    failure: Option<BrokerError>,
    /// What was announced and does not follow the head, by offset, of one epoch.
    early: BTreeMap<u64, (Data, Instant)>,
    early_bytes: usize,
    /// The newest of what was announced and is not in the log.
    announced: Option<Position>,
    /// Reads in a row that did not reach it.
    short: u8,
    /// Whether anything was announced since that was last asked.
    was_heard: bool,
    dead: VecDeque<Epoch>,
    /// How many listeners the broker was told of last.
    pub(crate) reported: u64,
}

/// What became of an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The log has moved on.
    Appended,
    /// The log had it.
    Known,
    /// Something before it was missed: the log is to be read.
    Early,
}

/// A read that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What a log is kept within.
pub(crate) struct Bounds<'a> {
    pub(crate) retention: &'a Retention,
    pub(crate) memory: &'a Arc<Memory>,
}

impl Replica {
    /// Whether the log can be used.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether the log can be used; `None` before that was tried, and while it is tried again.
    pub(crate) fn known(&self) -> Option<Result<(), BrokerError>> {
        match &self.failure {
            _ if self.is_known => Some(Ok(())),
            Some(failure) if self.wanted <= self.ended => Some(Err(failure.clone())),
            _ => None,
        }
    }

    /// Takes an announcement.
    pub(crate) fn handle_announcement(
        &mut self,
        log: &mut Log,
        position: Position,
        data: Data,
        bounds: &Bounds<'_>,
        now: Instant,
    ) -> Heard {
        self.was_heard = true;
        let head = log.head();
        if self.is_known && position.epoch == head.epoch {
            if position.offset <= head.offset {
                return Heard::Known;
            }
            if position.offset == head.offset + 1 {
                append(log, position.offset, data, now, bounds);
                self.append_early(log, bounds);
                log.expire(bounds.retention, now);
                return Heard::Appended;
            }
        }
        if self.is_known && position.epoch != head.epoch {
            reached!(OtherEpochAnnounced);
        }
        self.keep(position, data, now);
        Heard::Early
    }

    /// Wants a read that begins from here on; whether somebody has to begin it.
    pub(crate) fn want_read(&mut self) -> (Ticket, bool) {
        let is_reading = self.begun > self.ended;
        let is_wanted = self.wanted > self.ended;
        if is_reading || is_wanted {
            reached!(ReadShared);
        }
        self.wanted = self.begun + 1;
        (Ticket(self.wanted), !is_reading && !is_wanted)
    }

    /// Begins a read; gives the position to read behind.
    pub(crate) fn begin_read(&mut self, log: &Log) -> Option<Position> {
        self.begun += 1;
        self.is_known.then(|| log.head())
    }

    /// Takes the answer to a read; whether to begin another.
    pub(crate) fn handle_read(
        &mut self,
        log: &mut Log,
        answer: Result<Snapshot, BrokerError>,
        bounds: &Bounds<'_>,
        now: Instant,
    ) -> bool {
        self.ended = self.begun;
        match answer.and_then(check) {
            Ok(snapshot) => {
                self.failure = None;
                self.adopt(log, snapshot, bounds, now);
                self.append_early(log, bounds);
                log.expire(bounds.retention, now);
                if self.is_short(log) {
                    self.wanted = self.wanted.max(self.begun + 1);
                }
            }
            Err(error) => {
                reached!(ReadFailed);
                // Where nobody wants another, the next announcement, check or return of the broker
                // begins one.
                self.failure = Some(error);
            }
        }
        let again = self.wanted > self.ended;
        if again {
            reached!(ReadAgain);
        }
        again
    }

    /// Whether the read has ended, and how.
    pub(crate) fn outcome(&self, ticket: Ticket) -> Option<Result<(), BrokerError>> {
        let has_ended = self.ended >= ticket.0;
        has_ended.then(|| self.failure.clone().map_or(Ok(()), Err))
    }

    /// Whether a client's position calls for a read before it can be told what follows.
    pub(crate) fn is_news(&self, log: &Log, position: Position) -> bool {
        if log.knows(position) || position == Position::UNKNOWN {
            return false;
        }
        let is_dead = self.dead.contains(&position.epoch);
        if is_dead {
            reached!(EpochKnownDead);
        }
        !is_dead
    }

    /// A read was in vain for this position: its epoch is not looked for again.
    pub(crate) fn was_in_vain(&mut self, log: &Log, position: Position) {
        if position.epoch != log.head().epoch && self.is_news(log, position) {
            self.dead.truncate(DEAD_EPOCHS - 1);
            self.dead.push_front(position.epoch);
            reached!(EpochDead);
        }
    }

    /// Whether anything was announced since this was last asked.
    pub(crate) fn take_heard(&mut self) -> bool {
        mem::take(&mut self.was_heard)
    }

    /// Whether something was announced that a read did not give: what was published while its answer
    /// was on its way, or the first of another epoch.
    fn is_short(&mut self, log: &Log) -> bool {
        let head = log.head();
        let Some(announced) = self.announced else {
            self.short = 0;
            return false;
        };
        let is_of_log = announced.epoch == head.epoch;
        if is_of_log && announced.offset > head.offset && self.short < SHORT_READS {
            reached!(ReadShort);
            self.short += 1;
            return true;
        }
        self.forget_early();
        !is_of_log
    }

    fn adopt(&mut self, log: &mut Log, mut snapshot: Snapshot, bounds: &Bounds<'_>, now: Instant) {
        let Position { epoch, offset } = snapshot.head;
        // Others may write to an engine: what cannot be of this channel is none of it.
        let is_possible = |kept: &Kept| (1..=offset).contains(&kept.offset);
        snapshot.kept.retain(is_possible);
        let first = snapshot.kept.first().map_or(offset + 1, |kept| kept.offset);
        let head = log.head();
        let is_same = self.is_known && epoch == head.epoch;
        let continues = self.is_known && snapshot.lineage.until(head.epoch).is_some();
        if continues {
            log.continue_in(epoch, snapshot.lineage.clone(), bounds.memory);
        }
        // What was cut off may have pushed out what the broker has still.
        let reaches_back = continues && first < log.first();
        if reaches_back {
            reached!(ReachedBack);
        }
        if reaches_back || !(continues || is_same) {
            log.begin_anew(Position::new(epoch, first - 1), snapshot.lineage);
        }
        if !(continues || is_same) {
            self.is_known = true;
            self.dead.clear();
        }
        for kept in snapshot.kept {
            let next = log.head().offset + 1;
            if kept.offset < next {
                continue;
            }
            if kept.offset > next {
                log.skip_to(kept.offset - 1);
            }
            let at = now.checked_sub(kept.age).unwrap_or(now);
            append(log, kept.offset, kept.data, at, bounds);
        }
        if log.head().offset < offset {
            log.skip_to(offset);
        }
    }

    fn keep(&mut self, position: Position, data: Data, now: Instant) {
        if self
            .announced
            .is_some_and(|last| last.epoch != position.epoch)
        {
            self.forget_early();
        }
        let newest = self.announced.map_or(0, |last| last.offset);
        self.announced = Some(Position::new(position.epoch, position.offset.max(newest)));
        let bytes = data.len() + EARLY_WEIGHT;
        if self.early_bytes + bytes > EARLY_BYTES {
            reached!(EarlyOverflow);
        } else if self.early.insert(position.offset, (data, now)).is_none() {
            reached!(Early);
            self.early_bytes += bytes;
        }
    }

    /// Appends what was early and is not any more.
    fn append_early(&mut self, log: &mut Log, bounds: &Bounds<'_>) {
        let is_of_log = |announced: Position| announced.epoch == log.head().epoch;
        if !self.announced.is_some_and(is_of_log) {
            return;
        }
        while let Some(entry) = self.early.first_entry() {
            let (offset, next) = (*entry.key(), log.head().offset + 1);
            if offset > next {
                return;
            }
            let (data, at) = entry.remove();
            self.early_bytes = self.early_bytes.saturating_sub(data.len() + EARLY_WEIGHT);
            if offset == next {
                reached!(EarlyAppended);
                append(log, offset, data, at, bounds);
            }
        }
        if self
            .announced
            .is_some_and(|announced| announced.offset <= log.head().offset)
        {
            self.forget_early();
        }
    }

    fn forget_early(&mut self) {
        self.early.clear();
        self.early_bytes = 0;
        self.announced = None;
        self.short = 0;
    }
}

/// An engine is not ours, and may say anything.
fn check(snapshot: Snapshot) -> Result<Snapshot, BrokerError> {
    match snapshot.head.offset < Position::OFFSET_LIMIT {
        true => Ok(snapshot),
        false => Err(BrokerError::Refused(
            format!("it has the channel at {}", snapshot.head).into(),
        )),
    }
}

fn append(log: &mut Log, offset: u64, data: Data, at: Instant, bounds: &Bounds<'_>) {
    let position = Position::new(log.head().epoch, offset);
    let item = Item::new(Publication::new(position, data), bounds.memory);
    log.append_made(Arc::new(item), at);
}

#[cfg(test)]
mod tests;
