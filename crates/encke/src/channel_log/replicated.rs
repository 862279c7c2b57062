//! What the log of a channel does that a broker has too.

use super::{ChannelLog, State};
use crate::{
    broker::{BrokerError, Snapshot},
    log::Memory,
    replica::{Bounds, Heard, Replica, Ticket},
    sync::Ordering,
};
use encke_proto::{Data, Epoch, Position};
use std::{pin::pin, sync::Arc, task::Waker, time::Instant};

impl ChannelLog {
    /// Takes an announcement, and wakes whoever reads this log; whether it is to be read for it.
    pub(crate) fn hear(
        &self,
        position: Position,
        data: Data,
        memory: &Arc<Memory>,
        now: Instant,
    ) -> Option<Heard> {
        let (heard, wakers) = self.with_replica(|replica, state| {
            let bounds = Bounds {
                retention: &self.retention,
                memory,
            };
            let heard = replica.handle_announcement(&mut state.log, position, data, &bounds, now);
            (heard, self.tell(state))
        })?;
        wakers.into_iter().for_each(Waker::wake);
        Some(heard)
    }

    /// Wants a read that begins from here on; whether the caller has to begin it.
    pub(crate) fn want_read(&self) -> Option<(Ticket, bool)> {
        self.with_replica(|replica, _| replica.want_read())
    }

    /// Begins a read, behind the position given; `None` where the hub has forgotten this log.
    pub(crate) fn begin_read(&self) -> Option<Option<Position>> {
        self.with_replica(|replica, state| {
            (!state.retired).then(|| replica.begin_read(&state.log))
        })?
    }

    /// Takes the answer to a read, and wakes who waits for it; whether to begin another.
    pub(crate) fn handle_read(
        &self,
        answer: Result<Snapshot, BrokerError>,
        memory: &Arc<Memory>,
        now: Instant,
    ) -> bool {
        let handled = self.with_replica(|replica, state| {
            let bounds = Bounds {
                retention: &self.retention,
                memory,
            };
            let again = replica.handle_read(&mut state.log, answer, &bounds, now);
            (again, self.tell(state))
        });
        let (again, wakers) = handled.unwrap_or_default();
        wakers.into_iter().for_each(Waker::wake);
        if let Some(progress) = &self.progress {
            progress.notify_waiters();
        }
        again
    }

    /// Whether the log can be used.
    pub(crate) fn is_known(&self) -> bool {
        let is_known = self.with_replica(|replica, _| replica.is_known());
        is_known.unwrap_or(true)
    }

    /// Returns when the log can be used, at once where it was read before.
    ///
    /// # Errors
    ///
    /// Where the last attempt to read it failed.
    pub(crate) async fn known(&self) -> Result<(), BrokerError> {
        let known = self.progress_until(|replica, _| replica.known());
        known.await.unwrap_or(Ok(()))
    }

    /// Returns when the log can be used, however often that has to be tried.
    pub(crate) async fn usable(&self) {
        self.progress_until(|replica, _| replica.is_known().then_some(()))
            .await;
    }

    /// Whether the log cannot be used, and nobody has begun to change that.
    pub(crate) fn is_given_up(&self) -> bool {
        let known = self.with_replica(|replica, _| replica.known());
        matches!(known, Some(Some(Err(_))))
    }

    /// Returns when a read has ended.
    pub(crate) async fn outcome(&self, ticket: Ticket) -> Result<(), BrokerError> {
        let outcome = self.progress_until(|replica, _| replica.outcome(ticket));
        outcome.await.unwrap_or(Ok(()))
    }

    /// Whether the log has to be read before a client can be told what follows its position.
    pub(crate) fn is_news(&self, position: Position) -> bool {
        let is_news = self.with_replica(|replica, state| replica.is_news(&state.log, position));
        is_news.unwrap_or(false)
    }

    /// The log was read for this position.
    pub(crate) fn was_read_for(&self, position: Position) {
        self.with_replica(|replica, state| replica.was_in_vain(&state.log, position));
    }

    /// Where it stands, if it was read and nothing was announced since this was last asked.
    pub(crate) fn quiet_at(&self) -> Option<Position> {
        self.with_replica(|replica, state| {
            let heard = replica.take_heard();
            (replica.is_known() && !heard).then(|| state.log.head())
        })?
    }

    /// How many listen here.
    pub(crate) fn listeners(&self) -> u64 {
        self.with(|state| {
            let readers = state.readers.iter();
            readers.map(|(_, reader)| reader.listeners()).sum()
        })
    }

    /// The broker was told that so many listen here.
    pub(crate) fn was_reported(&self, listeners: u64) {
        self.with_replica(|replica, _| replica.reported = listeners);
    }

    /// How many listen on all nodes, where a broker counts so many.
    pub(crate) fn listeners_of(&self, counted: u64) -> u64 {
        let reported = self.with_replica(|replica, _| replica.reported);
        counted.saturating_sub(reported.unwrap_or(0)) + self.listeners()
    }

    /// Waits until there is an answer; `None` where there is no replica.
    async fn progress_until<T>(
        &self,
        mut ask: impl FnMut(&mut Replica, &mut State) -> Option<T>,
    ) -> Option<T> {
        let progress = self.progress.as_ref()?;
        loop {
            let mut progressed = pin!(progress.notified());
            progressed.as_mut().enable();
            if let Some(answer) = self.with_replica(&mut ask)? {
                return Some(answer);
            }
            progressed.await;
        }
    }

    fn with_replica<T>(&self, use_it: impl FnOnce(&mut Replica, &mut State) -> T) -> Option<T> {
        self.with(|state| {
            let mut replica = state.replica.take()?;
            let value = use_it(&mut replica, state);
            state.replica = Some(replica);
            Some(value)
        })
    }

    /// Marks every reader, if the log has moved on.
    fn tell(&self, state: &mut State) -> Vec<Waker> {
        let head = state.log.head();
        let epoch = Epoch::new(self.epoch.load(Ordering::Relaxed));
        if Position::new(epoch, self.head.load(Ordering::Relaxed)) == head {
            return Vec::new();
        }
        self.store_head(head);
        state.set_marks()
    }
}
