//! A channel on this node: its log, and the marks of those who read it.
//!
//! Invariant: the order of a channel is decided under its lock, and so is where a subscription
//! starts; every reader's mark is set after a publication is in the log. Nobody is woken,
//! nothing encoded and no item dropped while the lock is held.

mod replicated;

use crate::{
    config::Retention,
    log::{Item, Log, Memory, Window},
    mark::{BoardMark, Mark},
    reached::reached,
    replica::Replica,
    sync::{AtomicU64, Mutex, Ordering, lock},
};
use encke_proto::{Channel, Channels, Data, Epoch, Position, Publication, Read, Start};
use slab::Slab;
use std::{
    ops::Deref,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// How long a replica is kept up that nobody reads, so that who comes back finds it.
const LINGER: Duration = Duration::from_secs(10);

/// One channel's log, shared by publishers, readers and the sweep.
#[derive(Debug)]
pub(crate) struct ChannelLog {
    /// The one channel, shared with the sessions that listen to it alone.
    channels: Channels,
    retention: Retention,
    /// The position of the head, for those who look whether they stand there. Who has cleared its
    /// mark sees what was published before that mark was set. The epoch is stored first, and loaded
    /// last.
    epoch: AtomicU64,
    head: AtomicU64,
    state: Mutex<State>,
    /// Told whenever a replica was read; `None` where the log is all there is.
    progress: Option<Box<Notify>>,
}

#[derive(Debug)]
struct State {
    log: Log,
    readers: Slab<Reader>,
    /// Since when nobody has used this log, as far as the sweep has seen.
    idle_since: Option<Instant>,
    /// The hub has forgotten this log: whoever still holds it asks the hub for the next one.
    retired: bool,
    /// `None` where the log is all there is.
    replica: Option<Box<Replica>>,
}

/// What is told of news.
#[derive(Debug)]
pub(crate) enum Reader {
    /// A task that reads this log, perhaps among a few.
    Task(Arc<Mark>),
    /// A task that reads many logs for many clients.
    Shard(Arc<BoardMark>),
}

impl Reader {
    fn listeners(&self) -> u64 {
        match self {
            Self::Task(_) => 1,
            Self::Shard(mark) => mark.listeners(),
        }
    }

    fn tell(&self) -> Option<Waker> {
        match self {
            Self::Task(mark) => mark.set(),
            Self::Shard(mark) => mark.set(),
        }
    }
}

/// The log was retired between finding and using it.
#[derive(Debug)]
pub(crate) struct Retired;

impl ChannelLog {
    pub(crate) fn new(channel: Channel, retention: Retention, start: Position) -> Self {
        Self {
            channels: Channels::new([channel]),
            retention,
            epoch: AtomicU64::new(start.epoch.number()),
            head: AtomicU64::new(start.offset),
            state: Mutex::new(State {
                log: Log::new(start),
                readers: Slab::new(),
                idle_since: None,
                retired: false,
                replica: None,
            }),
            progress: None,
        }
    }

    /// The log of a channel that a broker has, to be read from there before anyone is placed in it.
    pub(crate) fn replica(channel: Channel, retention: Retention) -> Self {
        let mut log = Self::new(channel, retention, Position::UNKNOWN);
        log.progress = Some(Box::default());
        lock(&log.state).replica = Some(Box::default());
        log
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channels[0]
    }

    /// Its channel as all the channels of a session.
    pub(crate) fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Appends a publication and wakes whoever reads this log.
    pub(crate) fn publish(
        &self,
        data: &Data,
        memory: &Arc<Memory>,
        now: Instant,
    ) -> Result<Position, Retired> {
        let (position, wakers) = self.use_live(|state| {
            let Position { epoch, offset } = state.log.head();
            let position = Position::new(epoch, offset + 1);
            let item = Item::new(Publication::new(position, data.clone()), memory);
            state.log.append(Arc::new(item), &self.retention, now);
            self.store_head(position);
            (position, state.set_marks())
        })?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(position)
    }

    /// Wakes every reader although nothing was published.
    pub(crate) fn wake_readers(&self) {
        let wakers = self.with(|state| state.set_marks());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Adds a reader; gives where it starts.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        start: Start,
        mark: Arc<Mark>,
        now: Instant,
    ) -> Result<(Attachment, Position), Retired> {
        self.use_live(|state| {
            let attachment = Attachment {
                log: self.clone(),
                key: state.readers.insert(Reader::Task(mark)),
            };
            (attachment, state.log.place(start, &self.retention, now))
        })
    }

    /// Adds a reader that is [placed](Self::place) later: from here on the log is kept up.
    pub(crate) fn hold(self: &Arc<Self>, mark: Arc<Mark>) -> Result<Attachment, Retired> {
        self.use_live(|state| Attachment {
            log: self.clone(),
            key: state.readers.insert(Reader::Task(mark)),
        })
    }

    /// Where a reader starts.
    pub(crate) fn place(&self, start: Start, now: Instant) -> Position {
        self.with(|state| state.log.place(start, &self.retention, now))
    }

    /// The position of the newest publication.
    pub(crate) fn head(&self) -> Position {
        self.with(|state| state.log.head())
    }

    /// Gives what follows `cursor`, which is moved behind it.
    pub(crate) fn read(&self, cursor: &mut Position, now: Instant) -> Option<Read<Arc<Item>>> {
        // Whoever reads to the end finds nothing once, and takes no lock for that.
        let head = self.head.load(Ordering::Acquire);
        let epoch = Epoch::new(self.epoch.load(Ordering::Relaxed));
        if *cursor == Position::new(epoch, head) {
            return None;
        }
        self.with(|state| state.log.read(cursor, &self.retention, now))
    }

    /// Looks at what follows `cursor`, for many readers at once: `window` has it then, up to about
    /// `limit` bytes. Nothing where a gap comes first.
    pub(crate) fn look(&self, cursor: Position, limit: usize, now: Instant, window: &mut Window) {
        self.with(|state| {
            state.log.look(cursor, &self.retention, limit, now, window);
        });
    }

    /// Drops what has expired; gives whether nobody has used this log for as long as a client may
    /// be away and recover.
    pub(crate) fn sweep(&self, now: Instant) -> bool {
        self.with(|state| {
            state.log.expire(&self.retention, now);
            if !state.is_idle() {
                state.idle_since = None;
                return false;
            }
            let since = *state.idle_since.get_or_insert(now);
            // What a broker keeps can be read again; here it would be lost.
            let patience = match state.replica {
                Some(_) => self.retention.window_age.max(LINGER),
                None => self.retention.longest(),
            };
            now.saturating_duration_since(since) >= patience
        })
    }

    /// Ends a log that is idle still; gives the offset that its successor must start above.
    pub(crate) fn retire(&self) -> Option<u64> {
        self.with(|state| {
            state.retired = state.idle_since.is_some() && state.is_idle();
            if state.retired {
                reached!(Retired);
            }
            state.retired.then(|| state.log.head().offset)
        })
    }

    /// Age of the oldest item, those that live readers may need behind all others.
    pub(crate) fn oldest(&self, now: Instant) -> Option<(bool, Instant)> {
        self.with(|state| state.log.oldest(&self.retention, now))
    }

    /// Drops the oldest item before its time; gives how many bytes it held.
    pub(crate) fn trim_oldest(&self) -> Option<usize> {
        self.with(|state| state.log.trim_oldest())
    }

    fn store_head(&self, head: Position) {
        self.epoch.store(head.epoch.number(), Ordering::Relaxed);
        self.head.store(head.offset, Ordering::Release);
    }

    /// Uses a log that was not retired, and is not idle any more.
    fn use_live<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> Result<T, Retired> {
        self.with(|state| {
            if state.retired {
                return Err(Retired);
            }
            state.idle_since = None;
            Ok(use_state(state))
        })
    }

    /// Items that left are dropped behind the lock: the memory of their data may be somebody's
    /// whose code runs then.
    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let value = use_state(&mut state);
        let gone = state.log.take_gone();
        drop(state);
        drop(gone);
        value
    }
}

impl State {
    fn set_marks(&self) -> Vec<Waker> {
        self.readers
            .iter()
            .filter_map(|(_, reader)| reader.tell())
            .collect()
    }

    fn is_idle(&self) -> bool {
        self.readers.is_empty() && (self.log.is_empty() || self.replica.is_some())
    }
}

/// A reader's place among those of a log, given up when dropped.
#[derive(Debug)]
pub(crate) struct Attachment {
    log: Arc<ChannelLog>,
    key: usize,
}

impl Attachment {
    /// Another reader of the same log.
    ///
    /// This one's place keeps the log from being retired meanwhile.
    pub(crate) fn share(&self, reader: Reader) -> Self {
        let key = self.log.with(|state| state.readers.insert(reader));
        Self {
            log: self.log.clone(),
            key,
        }
    }
}

impl Deref for Attachment {
    type Target = Arc<ChannelLog>;

    fn deref(&self) -> &Arc<ChannelLog> {
        &self.log
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let reader = self.log.with(|state| state.readers.remove(self.key));
        drop(reader);
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
            let (attachment, mut cursor) = log
                .subscribe(Start::Head, mark.clone(), Instant::now())
                .unwrap();
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
    fn loom_a_reader_at_the_head_whose_mark_is_still_set_misses_nothing() {
        loom::model(|| {
            let log = log();
            let mark = Arc::new(Mark::new());
            let now = Instant::now();
            let (attachment, mut cursor) = log.subscribe(Start::Head, mark.clone(), now).unwrap();
            publish(&log);
            assert!(attachment.read(&mut cursor, now).is_some());
            let publisher = thread::spawn({
                let log = log.clone();
                move || publish(&log)
            });
            let woken = Arc::new(Woken(0.into()));
            mark.arm(&woken.clone().into());
            let seen = attachment.read(&mut cursor, now).is_some();
            publisher.join().unwrap();
            let woken = woken.0.load(loom::sync::atomic::Ordering::SeqCst);
            assert!(seen || woken == 1, "neither seen nor woken");
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
            let (attachment, mut cursor) = log
                .subscribe(Start::Head, mark.clone(), Instant::now())
                .unwrap();
            let placed = cursor.offset;
            publisher.join().unwrap();
            let read = attachment.read(&mut cursor, Instant::now());
            assert_eq!(read.is_some(), placed == 0);
        });
    }
}
