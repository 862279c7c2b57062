//! This node's channels and sessions.

use crate::{
    channel_log::{Attachment, ChannelLog, Retired},
    config::HubConfig,
    live::{Live, SessionHandle},
    log::Memory,
    mark::Mark,
    publish::Publish,
    stats::{Counters, Stats},
    subscription::Subscription,
};
use encke_proto::{Channel, Data, Epoch, InvalidChannel, Position, Start};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::AbortHandle};

/// How often a hub looks for what has expired, who is to be pinged and who has stalled.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// The channels of this node and the sessions that listen to them. Cheap to clone.
///
/// A channel is a log of publications; a subscriber is a place in that log. Whoever falls behind
/// costs nothing, and is told of a gap once what it missed has left the log.
///
/// Make it within a tokio runtime: what expires is dropped by one task per hub, which ends with
/// it.
///
/// ```
/// use encke::{Delivery, Hub, HubConfig};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new(HubConfig::default());
/// let news = hub.channel("news")?;
/// let mut subscription = news.subscribe();
/// let position = news.publish("kiki").await?;
/// let Some(Delivery::Publication(publication)) = subscription.next().await else {
///     panic!("no publication");
/// };
/// assert_eq!(publication.position, position);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

impl Hub {
    /// A hub that keeps its channels in memory.
    pub fn new(config: HubConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                epoch: Epoch::new(crate::random::number()),
                logs: RwLock::default(),
                memory: Arc::default(),
                trimming: Mutex::new(()),
                counters: Counters::default(),
                sessions: Mutex::default(),
                in_shards: AtomicUsize::new(0),
                drained: Notify::new(),
                closing: AtomicBool::new(false),
                sweep: Mutex::default(),
            }),
        }
    }

    /// The channel of this name, which need not exist before.
    ///
    /// # Errors
    ///
    /// [`InvalidChannel`] where the name is empty, over 255 bytes, or has control characters.
    pub fn channel(&self, name: impl AsRef<str>) -> Result<ChannelHandle, InvalidChannel> {
        Ok(ChannelHandle {
            channel: Channel::new(name)?,
            hub: self.shared.clone(),
        })
    }

    /// A service for the URLs of this hub's channels: GET to listen, POST to publish.
    pub fn live(&self) -> Live {
        Live::new(self.shared.clone())
    }

    /// What this hub holds and has counted.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Ends every session, after what was published so far.
    ///
    /// New sessions get 503 and publishing fails from here on. Returns at once; a server that
    /// drains its connections sees each response end with its last chunk. Wait for
    /// [`drained`](Self::drained) where the server does not wait for sessions.
    pub fn shutdown(&self) {
        self.shared.closing.store(true, Ordering::Release);
        for log in self.shared.all_logs() {
            log.wake_readers();
        }
    }

    /// Resolves when no session is connected any more; at once where none is.
    ///
    /// For servers that do not wait for sessions which have left HTTP, as `axum::serve` over a
    /// [`Listener`](crate::Listener): await it after the server, once the hub was
    /// [shut down](Self::shutdown). Clients that take nothing are cut at the stall limit, and those
    /// that do not hang up when all was said, 3 seconds later.
    pub async fn drained(&self) {
        loop {
            let mut left = pin!(self.shared.drained.notified());
            left.as_mut().enable();
            if self.shared.has_drained() {
                return;
            }
            left.await;
        }
    }
}

#[cfg(test)]
impl Hub {
    /// What its parts share, for their tests.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

/// A channel of a hub, to publish to and to subscribe to. Cheap to clone; costs the hub nothing.
#[derive(Clone)]
pub struct ChannelHandle {
    channel: Channel,
    hub: Arc<Shared>,
}

impl ChannelHandle {
    /// The channel's name.
    pub fn name(&self) -> &Channel {
        &self.channel
    }

    /// Publishes when awaited; never waits for a subscriber.
    pub fn publish(&self, data: impl Into<Data>) -> Publish {
        Publish::new(self.hub.clone(), self.channel.clone(), data.into())
    }

    /// Everything published from this call on.
    pub fn subscribe(&self) -> Subscription {
        self.start(Start::Head)
    }

    /// Everything behind `position`: what the log still has, then what is published.
    ///
    /// What it has no more comes as a gap first; so does all of it where the position is not
    /// known.
    pub fn subscribe_since(&self, position: Position) -> Subscription {
        self.start(Start::After(position))
    }

    /// Up to this many of the newest publications, then what is published.
    pub fn subscribe_recent(&self, publications: usize) -> Subscription {
        self.start(Start::Recent(publications))
    }

    fn start(&self, start: Start) -> Subscription {
        let mark = Arc::new(Mark::new());
        let (attachment, position) = self.hub.attach(&self.channel, start, &mark);
        Subscription::new(self.hub.clone(), attachment, position, mark)
    }
}

impl fmt::Debug for ChannelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelHandle").field(&self.channel).finish()
    }
}

/// What the parts of a hub share.
pub(crate) struct Shared {
    pub(crate) config: HubConfig,
    pub(crate) counters: Counters,
    epoch: Epoch,
    logs: RwLock<Logs>,
    memory: Arc<Memory>,
    /// Held by the one publisher that trims.
    trimming: Mutex<()>,
    sessions: Mutex<Slab<SessionHandle>>,
    /// Sessions whose sockets are in shards, which watch them themselves.
    in_shards: AtomicUsize,
    /// Told when no session is left.
    drained: Notify,
    closing: AtomicBool,
    sweep: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Logs {
    by_channel: HashMap<Channel, Arc<ChannelLog>>,
    /// No log that was dropped had a higher offset; new ones start above it, so that no position
    /// is used twice.
    floor: u64,
}

impl Shared {
    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn stats(&self) -> Stats {
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

    /// Appends to the channel's log.
    pub(crate) fn publish(self: &Arc<Self>, channel: &Channel, data: &Data) -> Position {
        let now = Self::now();
        let position = self.with_log(channel, |log| log.publish(data, &self.memory, now));
        self.counters.published();
        self.trim(now);
        position
    }

    /// Publishes what a client says, but not once the hub is shut down.
    pub(crate) fn publish_if_open(self: &Arc<Self>, channel: &Channel, data: &Data) {
        if !self.is_closing() {
            self.publish(channel, data);
        }
    }

    /// Adds a reader to the channel's log.
    pub(crate) fn attach(
        self: &Arc<Self>,
        channel: &Channel,
        start: Start,
        mark: &Arc<Mark>,
    ) -> (Attachment, Position) {
        let now = Self::now();
        self.with_log(channel, |log| log.subscribe(start, mark.clone(), now))
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

    fn has_drained(&self) -> bool {
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
            let found = self.read_logs().by_channel.get(channel).cloned();
            let log = found.unwrap_or_else(|| self.make_log(channel));
            if let Ok(value) = use_log(&log) {
                return value;
            }
        }
    }

    fn make_log(self: &Arc<Self>, channel: &Channel) -> Arc<ChannelLog> {
        self.start_sweep();
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let start = Position::new(self.epoch, logs.floor);
        let retention = self.config.retention;
        logs.by_channel
            .entry(channel.clone())
            .or_insert_with(|| Arc::new(ChannelLog::new(channel.clone(), retention, start)))
            .clone()
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
                logs.floor = logs.floor.max(head);
                logs.by_channel.remove(log.channel());
            }
        }
        if logs.by_channel.capacity() > 4 * logs.by_channel.len() {
            logs.by_channel.shrink_to_fit();
        }
    }

    fn all_logs(&self) -> Vec<Arc<ChannelLog>> {
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
