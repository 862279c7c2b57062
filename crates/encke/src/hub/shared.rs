//! What the parts of a hub share: its logs, its sessions, and the sweep over both.

use super::replication::Replication;
use crate::{
    broker::Publishing,
    channel_log::{Attachment, ChannelLog, Retired},
    config::HubConfig,
    idempotency::IdempotencyKeys,
    live::SessionHandle,
    log::Memory,
    mark::Mark,
    publish::{PublishError, Published},
    stats::{Counters, Stats},
    subscribe::Unavailable,
};
use encke_proto::{Channel, Data, Epoch, Position, Start};
use futures_util::future::{Either, ready};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::AbortHandle};

/// How often a hub looks for what has expired, who is to be pinged and who has stalled.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// What the parts of a hub share.
pub(crate) struct Shared {
    pub(crate) config: HubConfig,
    pub(crate) counters: Counters,
    /// How this hub keeps up with the broker that it shares with others; `None` where it is all
    /// there is.
    pub(super) replication: Option<Replication>,
    idempotency: IdempotencyKeys,
    epoch: Epoch,
    logs: RwLock<Logs>,
    pub(super) memory: Arc<Memory>,
    /// Held by the one publisher that trims.
    trimming: Mutex<()>,
    sessions: Mutex<Slab<SessionHandle>>,
    /// Sessions whose sockets are in shards, which watch them themselves.
    in_shards: AtomicUsize,
    /// Told when no session is left.
    pub(super) drained: Notify,
    closing: AtomicBool,
    sweep: Mutex<Option<AbortHandle>>,
}

/// Where names come from outside, nobody can choose them to collide.
#[cfg(not(test))]
type State = std::hash::RandomState;
/// A schedule that is simulated twice finds them in the same order.
#[cfg(test)]
type State = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

#[derive(Default)]
struct Logs {
    by_channel: HashMap<Channel, Arc<ChannelLog>, State>,
    /// No log that was dropped had a higher offset; new ones start above it, so that no position
    /// is used twice.
    floor: u64,
}

impl Shared {
    pub(super) fn new(config: HubConfig, replication: Option<Replication>) -> Self {
        Self {
            config,
            counters: Counters::default(),
            replication,
            idempotency: IdempotencyKeys::default(),
            epoch: Epoch::new(crate::random::number()),
            logs: RwLock::default(),
            memory: Arc::default(),
            trimming: Mutex::new(()),
            sessions: Mutex::default(),
            in_shards: AtomicUsize::new(0),
            drained: Notify::new(),
            closing: AtomicBool::new(false),
            sweep: Mutex::default(),
        }
    }

    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    pub(super) fn stats(&self) -> Stats {
        let sessions = self.lock_sessions();
        let detached = self.in_shards.load(Ordering::Relaxed);
        let attached = sessions.len();
        drop(sessions);
        Stats {
            channels: self.read_logs().by_channel.len(),
            sessions: attached + detached,
            detached,
            memory: self.memory.bytes(),
            ..self.counters.snapshot()
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Every session ends, and nothing is published any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for log in self.all_logs() {
            log.wake_readers();
        }
    }

    /// Publishes, unless the hub is shut down.
    pub(crate) fn publish(self: &Arc<Self>, publishing: &Publishing) -> Published {
        let error = match PublishError::check_key(publishing.idempotency_key.as_deref()) {
            _ if self.is_closing() => PublishError::ShutDown,
            Err(error) => error,
            Ok(()) => {
                return match &self.replication {
                    None => Either::Left(ready(Ok(self.publish_here(publishing)))),
                    Some(_) => Either::Right(self.clone().publish_to_broker(publishing.clone())),
                };
            }
        };
        Either::Left(ready(Err(error)))
    }

    /// Publishes what a client says where there is no broker, but not once the hub is shut down.
    pub(crate) fn publish_said(self: &Arc<Self>, channel: &Channel, data: &Data) {
        if !self.is_closing() {
            self.append(channel, data, Self::now());
        }
    }

    /// Whether what is published has to be waited for.
    pub(crate) fn has_broker(&self) -> bool {
        self.replication.is_some()
    }

    fn publish_here(self: &Arc<Self>, publishing: &Publishing) -> Position {
        let Publishing { channel, data, .. } = publishing;
        let now = Self::now();
        let Some(key) = &publishing.idempotency_key else {
            return self.append(channel, data, now);
        };
        let key = (channel.clone(), key.clone());
        let window = self.config.idempotency_window;
        let append = || self.append(channel, data, now);
        self.idempotency.publish_once(key, window, now, append)
    }

    /// Appends to the channel's log.
    fn append(self: &Arc<Self>, channel: &Channel, data: &Data, now: Instant) -> Position {
        let position = self.with_log(channel, |log| log.publish(data, &self.memory, now));
        self.counters.published();
        self.trim(now);
        position
    }

    /// Adds a reader to the channel's log.
    pub(crate) async fn attach(
        self: &Arc<Self>,
        channel: &Channel,
        start: Start,
        mark: &Arc<Mark>,
    ) -> Result<(Attachment, Position), Unavailable> {
        match &self.replication {
            None => {
                let now = Self::now();
                Ok(self.with_log(channel, |log| log.subscribe(start, mark.clone(), now)))
            }
            Some(replication) => replication.attach(self, channel, start, mark).await,
        }
    }

    /// Has the session pinged and watched; it is forgotten by [`Self::leave`].
    pub(crate) fn join(self: &Arc<Self>, session: SessionHandle) -> usize {
        self.start_sweep();
        self.lock_sessions().insert(session)
    }

    pub(crate) fn leave(&self, session: usize) {
        let left = self.lock_sessions().remove(session);
        drop(left);
        self.tell_if_drained();
    }

    /// As [`Self::leave`], for a session that goes to a shard; `None` where it has left.
    pub(crate) fn detach(&self, session: Option<usize>) {
        // Under the lock, so that nobody counts it twice.
        let mut sessions = self.lock_sessions();
        self.in_shards.fetch_add(1, Ordering::Relaxed);
        let session = session.map(|session| sessions.remove(session));
        drop(sessions);
        drop(session);
    }

    /// A session of a shard ended.
    pub(crate) fn left_shard(&self) {
        self.in_shards.fetch_sub(1, Ordering::Relaxed);
        self.tell_if_drained();
    }

    pub(super) fn has_drained(&self) -> bool {
        // The lock, which a session that goes to a shard holds, orders what is counted apart.
        self.lock_sessions().is_empty() && self.in_shards.load(Ordering::Relaxed) == 0
    }

    fn tell_if_drained(&self) {
        if self.has_drained() {
            self.drained.notify_waiters();
        }
    }

    /// Uses the channel's log, made if need be; again where it was retired in between.
    fn with_log<T>(
        self: &Arc<Self>,
        channel: &Channel,
        mut use_log: impl FnMut(&Arc<ChannelLog>) -> Result<T, Retired>,
    ) -> T {
        loop {
            let log = self.log_of(channel);
            if let Ok(value) = use_log(&log) {
                return value;
            }
        }
    }

    /// How many listen to a channel of this hub alone, and where it stands.
    pub(super) fn audience_here(&self, channel: &Channel) -> (u64, Position) {
        match self.find_log(channel) {
            Some(log) => (log.listeners(), log.head()),
            None => (0, Position::new(self.epoch, self.read_logs().floor)),
        }
    }

    /// The channel's log, made if need be.
    pub(super) fn log_of(self: &Arc<Self>, channel: &Channel) -> Arc<ChannelLog> {
        let found = self.find_log(channel);
        found.unwrap_or_else(|| self.make_log(channel))
    }

    pub(super) fn find_log(&self, channel: &Channel) -> Option<Arc<ChannelLog>> {
        self.read_logs().by_channel.get(channel).cloned()
    }

    fn make_log(self: &Arc<Self>, channel: &Channel) -> Arc<ChannelLog> {
        self.start_sweep();
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let start = Position::new(self.epoch, logs.floor);
        let retention = self.config.retention;
        let make = || match &self.replication {
            None => ChannelLog::new(channel.clone(), retention, start),
            Some(replication) => {
                // Under the lock, as is the end of following: they reach the broker in their order.
                replication.broker().follow(channel);
                ChannelLog::replica(channel.clone(), retention)
            }
        };
        let entry = logs.by_channel.entry(channel.clone());
        entry.or_insert_with(|| Arc::new(make())).clone()
    }

    /// Drops the oldest publications of all channels while they hold more than they may.
    pub(crate) fn trim(&self, now: Instant) {
        let limit = self.config.memory_limit;
        let excess = self.memory.bytes().saturating_sub(limit);
        if excess == 0 {
            return;
        }
        let Ok(_trimming) = self.trimming.try_lock() else {
            return;
        };
        // A sixteenth more than needed, so that a full hub does not do this at every publish.
        let mut wanted = excess + limit / 16;
        let logs = self.all_logs();
        let mut oldest: BinaryHeap<_> = logs
            .iter()
            .enumerate()
            .filter_map(|(index, log)| Some(Reverse((log.oldest(now)?, index))))
            .collect();
        while let Some(Reverse((_, index))) = oldest.pop() {
            let Some(bytes) = logs[index].trim_oldest() else {
                continue;
            };
            self.counters.trimmed();
            wanted = wanted.saturating_sub(bytes);
            if wanted == 0 {
                break;
            }
            oldest.extend(logs[index].oldest(now).map(|age| Reverse((age, index))));
        }
    }

    /// Starts the sweep, also again where the runtime it was started in has ended.
    fn start_sweep(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut running = self.sweep.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_none_or(AbortHandle::is_finished) {
            *running = Some(runtime.spawn(sweep(Arc::downgrade(self))).abort_handle());
        }
    }

    fn sweep_once(&self, now: Instant) {
        let mut unused = self.all_logs();
        unused.retain(|log| log.sweep(now));
        self.retire(unused);
        self.trim(now);
        self.idempotency.sweep(self.config.idempotency_window, now);
        let sessions: Vec<_> = self
            .lock_sessions()
            .iter()
            .map(|(_, session)| session.clone())
            .collect();
        for session in sessions {
            session.sweep(now);
        }
    }

    fn retire(&self, unused: Vec<Arc<ChannelLog>>) {
        if unused.is_empty() {
            return;
        }
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        for log in unused {
            if let Some(head) = log.retire() {
                match &self.replication {
                    None => logs.floor = logs.floor.max(head),
                    Some(replication) => replication.broker().unfollow(log.channel()),
                }
                logs.by_channel.remove(log.channel());
            }
        }
        if logs.by_channel.capacity() > 4 * logs.by_channel.len() {
            logs.by_channel.shrink_to_fit();
        }
    }

    pub(super) fn all_logs(&self) -> Vec<Arc<ChannelLog>> {
        self.read_logs().by_channel.values().cloned().collect()
    }

    fn read_logs(&self) -> std::sync::RwLockReadGuard<'_, Logs> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sessions(&self) -> std::sync::MutexGuard<'_, Slab<SessionHandle>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let sweep = self.sweep.get_mut();
        if let Some(sweep) = sweep.unwrap_or_else(PoisonError::into_inner) {
            sweep.abort();
        }
    }
}

/// Drops what has expired, once a period, while the hub lives.
async fn sweep(hub: Weak<Shared>) {
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { return };
        hub.sweep_once(Shared::now());
    }
}
