//! What a node knows of each channel that it publishes to or follows.
//!
//! Invariant: what is known here may be old, but is of the streams as they stand. Publishing is guarded
//! by the engine, so that what is old costs a question and no more.

use super::{
    api::Member,
    entry::{Entry, Place},
};
use encke_proto::Channel;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Mutex as Queue, time::Instant};

/// Publications of one channel that may wait for their turn on this node.
const WAITING: usize = 4096;

/// Lanes above which unused ones are looked for.
const MANY: usize = 4096;

/// Past eras that are remembered.
const ERAS: usize = 64;

/// How long an unused lane is kept.
const LINGER: Duration = Duration::from_secs(60);

/// How the streams stand.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) era: u64,
    pub(super) member: Member,
    pub(super) created: String,
    /// The newest sequence that this node had seen before it asked.
    pub(super) seen: u64,
    pub(super) last_sequence: u64,
}

#[derive(Debug)]
pub(super) struct Lanes {
    by_channel: Mutex<HashMap<Channel, Arc<Lane>>>,
    /// When to look for unused ones.
    many: AtomicUsize,
    standing: RwLock<Option<Standing>>,
    /// Eras that are known to be over.
    past: Mutex<HashSet<u64>>,
    /// The newest sequence of the stream that was seen.
    newest: AtomicU64,
    /// What the stream has up to here was there when it was found to have lost what was behind.
    suspect: AtomicU64,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            by_channel: Mutex::default(),
            many: AtomicUsize::new(MANY),
            standing: RwLock::default(),
            past: Mutex::default(),
            newest: AtomicU64::new(0),
            suspect: AtomicU64::new(0),
        }
    }
}

/// One channel on this node.
#[derive(Debug)]
pub(super) struct Lane {
    /// Held by the one publication of this node that is on its way.
    pub(super) turn: Queue<()>,
    waiting: AtomicUsize,
    /// Publications in a row while others waited.
    streak: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: Option<Head>,
    used: Instant,
    is_followed: bool,
}

/// The newest message of a channel's subject.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) place: Place,
}

impl From<&Entry> for Head {
    fn from(entry: &Entry) -> Self {
        Self {
            sequence: entry.sequence,
            place: entry.place.clone(),
        }
    }
}

impl Lanes {
    pub(super) fn of(&self, channel: &Channel) -> Arc<Lane> {
        let mut lanes = lock(&self.by_channel);
        if lanes.len() >= self.many.load(Ordering::Relaxed) {
            let now = Instant::now();
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || lane.is_in_use(now));
            self.many
                .store((2 * lanes.len()).max(MANY), Ordering::Relaxed);
        }
        let lane = lanes.entry(channel.clone()).or_default();
        lane.clone()
    }

    /// The lane of a channel, where there is one.
    pub(super) fn find(&self, channel: &Channel) -> Option<Arc<Lane>> {
        lock(&self.by_channel).get(channel).cloned()
    }

    /// The streams stand like this from here on.
    pub(super) fn stand(&self, standing: Standing) {
        let mut before = self
            .standing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let last = standing.last_sequence;
        let is_same = before.as_ref().is_some_and(|before| {
            (before.era, &before.created) == (standing.era, &standing.created)
        });
        let is_another = before
            .as_ref()
            .is_some_and(|before| before.created != standing.created);
        let has_lost = !is_another && last < standing.seen;
        if is_another {
            self.suspect.store(0, Ordering::Relaxed);
        } else if has_lost {
            self.suspect.store(last, Ordering::Relaxed);
        }
        if !is_same || has_lost {
            self.newest.store(last, Ordering::Relaxed);
            self.forget_heads();
        }
        let left = before.replace(standing).map(|before| before.era);
        drop(before);
        self.leave(left);
    }

    /// Another era has begun, as far as anybody can tell without a look at the streams.
    pub(super) fn enter(&self, era: u64) {
        let mut standing = self
            .standing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let left = standing
            .as_mut()
            .map(|standing| mem::replace(&mut standing.era, era));
        drop(standing);
        self.leave(left);
        self.forget_heads();
    }

    /// Whether this era is the one that lasts, or is known to be over.
    pub(super) fn knows(&self, era: u64) -> bool {
        era == self.era() || lock(&self.past).contains(&era)
    }

    /// This era is over, unless it is the one that lasts.
    pub(super) fn leave(&self, era: Option<u64>) {
        let now = self.era();
        let mut past = lock(&self.past);
        if past.len() >= ERAS {
            past.clear();
        }
        past.extend(era.filter(|era| *era != now));
    }

    fn forget_heads(&self) {
        let lanes: Vec<_> = lock(&self.by_channel).values().cloned().collect();
        for lane in lanes {
            lane.forget();
        }
    }

    pub(super) fn era(&self) -> u64 {
        self.with_standing(|standing| standing.map_or(0, |standing| standing.era))
    }

    pub(super) fn member(&self) -> Member {
        self.with_standing(|standing| standing.map_or(Member::Leader, |standing| standing.member))
    }

    /// The newest sequence that was seen.
    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// A message of this sequence was seen.
    pub(super) fn saw(&self, sequence: u64) {
        self.newest.fetch_max(sequence, Ordering::Relaxed);
    }

    /// Where the next publication stands that follows this head.
    pub(super) fn place_behind(&self, head: Option<&Head>) -> Place {
        let Some(head) = head else {
            return Place::first(self.era()).next();
        };
        self.place_of(head).next()
    }

    /// Where a head stands that another message is to follow: in an epoch of its own, where its own
    /// may have been longer once.
    pub(super) fn place_of(&self, head: &Head) -> Place {
        match self.may_go_on(head) {
            true => head.place.clone(),
            false => head.place.branch(self.era()),
        }
    }

    /// Whether the epoch of this head may have another publication.
    fn may_go_on(&self, head: &Head) -> bool {
        head.place.era == self.era() && head.sequence > self.suspect.load(Ordering::Relaxed)
    }

    fn with_standing<T>(&self, look: impl FnOnce(Option<&Standing>) -> T) -> T {
        let standing = self.standing.read();
        look(standing.unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

impl Lane {
    /// A place among those who wait; `None` where too many do.
    pub(super) fn wait(self: &Arc<Self>) -> Option<Wait> {
        self.lock().used = Instant::now();
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let wait = Wait(self.clone());
        (waiting < WAITING).then_some(wait)
    }

    /// Whether others wait, too.
    pub(super) fn is_crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 1
    }

    /// Publications in a row, this one among them.
    pub(super) fn streak(&self) -> u32 {
        self.streak.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn end_streak(&self) {
        self.streak.store(0, Ordering::Relaxed);
    }

    pub(super) fn head(&self) -> Option<Head> {
        self.lock().head.clone()
    }

    /// Moves on to this head, unless it is older than what is known.
    pub(super) fn learn(&self, head: Head) {
        let mut state = self.lock();
        if state
            .head
            .as_ref()
            .is_none_or(|known| known.sequence < head.sequence)
        {
            state.head = Some(head);
        }
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.lock().head = None;
    }

    /// Whether it is kept although nobody publishes.
    pub(super) fn set_followed(&self, is_followed: bool) {
        let mut state = self.lock();
        state.is_followed = is_followed;
        state.used = Instant::now();
    }

    fn is_in_use(&self, now: Instant) -> bool {
        let state = self.lock();
        state.is_followed || now.saturating_duration_since(state.used) < LINGER
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            turn: Queue::default(),
            waiting: AtomicUsize::new(0),
            streak: AtomicU32::new(0),
            state: Mutex::new(State {
                head: None,
                used: Instant::now(),
                is_followed: false,
            }),
        }
    }
}

/// A place among those who wait for a lane.
pub(super) struct Wait(Arc<Lane>);

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(era: u64, created: &str, last_sequence: u64) -> Standing {
        Standing {
            era,
            member: Member::Any,
            created: created.into(),
            seen: last_sequence,
            last_sequence,
        }
    }

    fn head(lanes: &Lanes, sequence: u64) -> Head {
        let place = lanes.place_behind(None);
        Head { sequence, place }
    }

    #[test]
    fn an_epoch_goes_on_in_its_era_only() {
        let lanes = Lanes::default();
        lanes.stand(standing(1, "a", 0));
        let head = head(&lanes, 5);
        assert_eq!(lanes.place_behind(Some(&head)), head.place.next());
        lanes.stand(standing(2, "a", 5));
        let next = lanes.place_behind(Some(&head));
        assert_eq!(next.position.offset, 2);
        assert_ne!(next.position.epoch, head.place.position.epoch);
        assert_eq!(next.lineage().until(head.place.position.epoch), Some(1));
        assert_eq!(next.era, 2);
    }

    #[test]
    fn an_era_is_known_once_it_was_seen_to_last_or_to_be_over() {
        let lanes = Lanes::default();
        lanes.stand(standing(1, "a", 0));
        let lane = lanes.of(&Channel::new("x").unwrap());
        lane.learn(head(&lanes, 5));
        assert!(lanes.knows(1) && !lanes.knows(2));
        lanes.enter(2);
        assert!(lane.head().is_none());
        assert!(lanes.knows(1) && lanes.knows(2) && !lanes.knows(3));
        lanes.leave(Some(3));
        lanes.stand(standing(4, "a", 5));
        assert!((1..=4).all(|era| lanes.knows(era)));
        assert_eq!(lanes.era(), 4);
    }

    #[test]
    fn a_stream_that_lost_its_newest_messages_goes_on_in_other_epochs() {
        let lanes = Lanes::default();
        lanes.stand(standing(1, "a", 0));
        let head = head(&lanes, 5);
        lanes.saw(9);
        // That one was published after the streams were looked at.
        lanes.stand(standing(1, "a", 7));
        assert_eq!(lanes.place_behind(Some(&head)), head.place.next());
        let seen = 9;
        lanes.stand(Standing {
            seen,
            ..standing(1, "a", 7)
        });
        let branched = lanes.place_behind(Some(&head));
        assert_ne!(branched.position.epoch, head.place.position.epoch);
        let place = branched;
        let newer = Head { sequence: 8, place };
        assert_eq!(lanes.place_behind(Some(&newer)), newer.place.next());
    }

    #[test]
    fn what_was_known_of_another_stream_is_forgotten() {
        let lanes = Lanes::default();
        lanes.stand(standing(1, "a", 0));
        let lane = lanes.of(&Channel::new("x").unwrap());
        lane.learn(head(&lanes, 9));
        lane.learn(head(&lanes, 5));
        assert_eq!(lane.head().unwrap().sequence, 9);
        lanes.stand(standing(1, "a", 9));
        assert!(lane.head().is_some());
        lanes.stand(standing(1, "b", 0));
        assert!(lane.head().is_none());
    }

    #[test]
    fn no_more_than_a_bound_wait() {
        let lane = Arc::<Lane>::default();
        let mut waits: Vec<_> = (0..WAITING).map(|_| lane.wait().unwrap()).collect();
        assert!(lane.wait().is_none());
        waits.pop();
        assert!(lane.wait().is_some());
    }
}
