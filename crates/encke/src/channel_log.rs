//! A channel on this node: its log, and the marks of those who read it.
//!
//! Invariant: the order of a channel is decided under its lock, and so is where a subscription
//! starts; every reader's mark is set after a publication is in the log. Nobody is woken, and
//! nothing encoded, while the lock is held.

use crate::{
    config::Retention,
    log::{Item, Log, Memory},
    mark::Mark,
    sync::{Mutex, MutexGuard, lock},
};
use encke_proto::{Channel, Data, Position, Publication, Read, Start};
use slab::Slab;
use std::{sync::Arc, task::Waker, time::Instant};

/// One channel's log, shared by publishers, readers and the sweep.
#[derive(Debug)]
pub(crate) struct ChannelLog {
    channel: Channel,
    retention: Retention,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: Log,
    readers: Slab<Arc<Mark>>,
    /// The hub has forgotten this log: whoever still holds it asks the hub for the next one.
    retired: bool,
}

/// The log was retired between finding and using it.
#[derive(Debug)]
pub(crate) struct Retired;

impl ChannelLog {
    pub(crate) fn new(channel: Channel, retention: Retention, start: Position) -> Self {
        Self {
            channel,
            retention,
            state: Mutex::new(State {
                log: Log::new(start),
                readers: Slab::new(),
                retired: false,
            }),
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Appends a publication and wakes whoever reads this log.
    pub(crate) fn publish(
        &self,
        data: &Data,
        memory: &Arc<Memory>,
        now: Instant,
    ) -> Result<Position, Retired> {
        let mut state = self.live_state()?;
        let Position { epoch, offset } = state.log.head();
        let position = Position::new(epoch, offset + 1);
        let item = Item::new(Publication::new(position, data.clone()), memory);
        state.log.append(Arc::new(item), &self.retention, now);
        let wakers = state.set_marks();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(position)
    }

    /// Wakes every reader although nothing was published.
    pub(crate) fn wake_readers(&self) {
        let wakers = lock(&self.state).set_marks();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Adds a reader; gives where it starts.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        start: Start,
        mark: Arc<Mark>,
    ) -> Result<(Attachment, Position), Retired> {
        let mut state = self.live_state()?;
        let key = state.readers.insert(mark);
        let attachment = Attachment {
            log: self.clone(),
            key,
        };
        Ok((attachment, state.log.place(start, &self.retention)))
    }

    /// Drops what has expired.
    pub(crate) fn expire(&self, now: Instant) {
        lock(&self.state).log.expire(&self.retention, now);
    }

    /// Whether nobody reads this log and nothing is in it.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.state).is_idle()
    }

    /// Ends an idle log; gives the offset that its successor must start above.
    pub(crate) fn retire(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        state.retired = state.is_idle();
        state.retired.then(|| state.log.head().offset)
    }

    /// Age of the oldest item, those that live readers may need behind all others.
    pub(crate) fn oldest(&self, now: Instant) -> Option<(bool, Instant)> {
        lock(&self.state).log.oldest(&self.retention, now)
    }

    /// Drops the oldest item before its time.
    pub(crate) fn trim_oldest(&self) -> Option<Arc<Item>> {
        lock(&self.state).log.trim_oldest()
    }

    fn live_state(&self) -> Result<MutexGuard<'_, State>, Retired> {
        let state = lock(&self.state);
        if state.retired {
            return Err(Retired);
        }
        Ok(state)
    }
}

impl State {
    fn set_marks(&self) -> Vec<Waker> {
        self.readers
            .iter()
            .filter_map(|(_, mark)| mark.set())
            .collect()
    }

    fn is_idle(&self) -> bool {
        self.readers.is_empty() && self.log.is_empty()
    }
}

/// A reader's place among those of a log, given up when dropped.
#[derive(Debug)]
pub(crate) struct Attachment {
    log: Arc<ChannelLog>,
    key: usize,
}

impl Attachment {
    pub(crate) fn channel(&self) -> &Channel {
        &self.log.channel
    }

    /// Gives what follows `cursor`, which is moved behind it.
    pub(crate) fn read(&self, cursor: &mut Position, now: Instant) -> Option<Read<Arc<Item>>> {
        lock(&self.log.state)
            .log
            .read(cursor, &self.log.retention, now)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        lock(&self.log.state).readers.remove(self.key);
    }
}

#[cfg(all(test, encke_loom))]
mod loom_tests {
    use super::*;
    use crate::HubConfig;
    use encke_proto::Epoch;
    use loom::thread;
    use std::task::Wake;

    struct Woken(loom::sync::atomic::AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
        }
    }

    fn log() -> Arc<ChannelLog> {
        let start = Position::new(Epoch::new(1), 0);
        let channel = Channel::new("news").unwrap();
        let retention = HubConfig::default().retention;
        Arc::new(ChannelLog::new(channel, retention, start))
    }

    fn publish(log: &ChannelLog) {
        let memory = Arc::default();
        log.publish(&Data::from("x"), &memory, Instant::now())
            .unwrap();
    }

    #[test]
    fn loom_a_reader_that_armed_its_mark_sees_the_publication_or_is_woken() {
        loom::model(|| {
            let log = log();
            let mark = Arc::new(Mark::new());
            let (attachment, mut cursor) = log.subscribe(Start::Head, mark.clone()).unwrap();
            let publisher = thread::spawn({
                let log = log.clone();
                move || (publish(&log), publish(&log))
            });
            let woken = Arc::new(Woken(0.into()));
            mark.arm(&woken.clone().into());
            let now = Instant::now();
            let mut seen = 0;
            while attachment.read(&mut cursor, now).is_some() {
                seen += 1;
            }
            publisher.join().unwrap();
            let woken = woken.0.load(loom::sync::atomic::Ordering::SeqCst);
            assert!(seen == 2 || woken == 1, "saw {seen}, woken {woken} times");
        });
    }

    #[test]
    fn loom_nothing_is_lost_between_placing_the_cursor_and_reading() {
        loom::model(|| {
            let log = log();
            let publisher = thread::spawn({
                let log = log.clone();
                move || publish(&log)
            });
            let mark = Arc::new(Mark::new());
            let (attachment, mut cursor) = log.subscribe(Start::Head, mark.clone()).unwrap();
            let placed = cursor.offset;
            publisher.join().unwrap();
            let read = attachment.read(&mut cursor, Instant::now());
            assert_eq!(read.is_some(), placed == 0);
        });
    }
}
