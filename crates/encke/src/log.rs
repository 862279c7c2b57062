//! A channel's publications, in the order every subscriber sees.
//!
//! Invariant: what a cursor is given has the offset that follows it, or is a gap up to the one
//! that does. No time is asked here: it is an argument.

mod item;
mod lineage;
mod window;

use crate::{config::Retention, reached::reached};
use encke_proto::{Epoch, Gap, Position, Publication, Read, Start};
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use item::{Item, Memory};
#[cfg(any(feature = "nats", feature = "redis", test))]
pub(crate) use lineage::Branch;
pub(crate) use lineage::Lineage;
pub(crate) use window::Window;

/// An append-only log with two bounds: history, for newcomers, and the live window, for cursors
/// that fall behind. An item leaves only when it is outside both.
#[derive(Debug)]
pub(crate) struct Log {
    epoch: Epoch,
    /// The epochs that this one continues.
    lineage: Lineage,
    /// What was before this offset is not known to this log.
    start: u64,
    /// Offset of the newest publication there ever was.
    head: u64,
    /// What is kept: the offsets up to the head, without a hole.
    items: VecDeque<Entry>,
    /// Weight of all that was ever appended.
    appended: u64,
    /// Items that left, kept for who holds the log's lock to drop behind it.
    gone: Vec<Arc<Item>>,
}

#[derive(Debug)]
struct Entry {
    item: Arc<Item>,
    at: Instant,
    /// Weight of all that was appended before this item.
    before: u64,
}

/// What an item weighs in the live window beside its data, so that a flood of empty ones is
/// bounded too.
const ITEM_WEIGHT: u64 = 64;

impl Log {
    /// An empty log whose next publication follows `position`.
    pub(crate) fn new(position: Position) -> Self {
        Self {
            epoch: position.epoch,
            lineage: Lineage::default(),
            start: position.offset,
            head: position.offset,
            items: VecDeque::new(),
            appended: 0,
            gone: Vec::new(),
        }
    }

    /// The position of the newest publication.
    pub(crate) fn head(&self) -> Position {
        Position::new(self.epoch, self.head)
    }

    /// The offset of the oldest publication that can still be read, or of the next one.
    pub(crate) fn first(&self) -> u64 {
        self.head + 1 - self.items.len() as u64
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Appends a publication made now, whose position follows the head.
    pub(crate) fn append(&mut self, item: Arc<Item>, retention: &Retention, now: Instant) {
        self.append_made(item, now);
        self.expire(retention, now);
    }

    /// Appends a publication made at another time, whose position follows the head.
    pub(crate) fn append_made(&mut self, item: Arc<Item>, at: Instant) {
        let Position { epoch, offset } = item.publication().position;
        debug_assert_eq!((self.epoch, self.head + 1), (epoch, offset));
        self.head = offset;
        let before = self.appended;
        self.appended += ITEM_WEIGHT + item.publication().data.len() as u64;
        self.items.push_back(Entry { item, at, before });
    }

    /// Goes on behind this offset, which is not below the head: what was between is lost, and so is
    /// what was kept.
    pub(crate) fn skip_to(&mut self, offset: u64) {
        reached!(Hole);
        debug_assert!(self.head <= offset);
        while self.trim_oldest().is_some() {}
        self.head = offset;
    }

    /// Goes on in an epoch whose lineage has this log's: what it has up to there stands, and the
    /// rest never was.
    pub(crate) fn continue_in(&mut self, epoch: Epoch, lineage: Lineage, memory: &Arc<Memory>) {
        let until = lineage.until(self.epoch).unwrap_or(0);
        if self.head > until {
            reached!(ContinuedCut);
        } else {
            reached!(Continued);
        }
        while self.head > until
            && let Some(entry) = self.items.pop_back()
        {
            self.appended = entry.before;
            self.gone.push(entry.item);
            self.head -= 1;
        }
        self.head = self.head.min(until);
        self.epoch = epoch;
        self.lineage = lineage;
        for entry in &mut self.items {
            let Publication { position, data, .. } = entry.item.publication();
            let position = Position::new(epoch, position.offset);
            let item = Item::new(Publication::new(position, data.clone()), memory);
            self.gone
                .push(mem::replace(&mut entry.item, Arc::new(item)));
        }
    }

    /// Begins anew at `position`, of a log whose offsets can be counted from the first on.
    pub(crate) fn begin_anew(&mut self, position: Position, lineage: Lineage) {
        reached!(BegunAnew);
        while self.trim_oldest().is_some() {}
        self.epoch = position.epoch;
        self.lineage = lineage;
        self.start = 0;
        self.head = position.offset;
    }

    /// Whether it can tell what follows `position` without asking anyone.
    pub(crate) fn knows(&self, position: Position) -> bool {
        match position.epoch == self.epoch {
            true => position.offset <= self.head,
            false => self.lineage.until(position.epoch).is_some(),
        }
    }

    /// Where a new subscription starts; a newcomer not further back than the history goes.
    pub(crate) fn place(&self, start: Start, retention: &Retention, now: Instant) -> Position {
        match start {
            Start::Head => self.head(),
            Start::Recent(count) => {
                let young = |entry: &Entry| age(entry, now) < retention.history_age;
                let old = self.items.partition_point(|entry| !young(entry));
                let history = (self.items.len() - old).min(retention.history_len);
                Position::new(self.epoch, self.head - history.min(count) as u64)
            }
            Start::After(position) => position,
        }
    }

    /// Gives what follows `cursor`, which is moved behind it; `None` at the head.
    pub(crate) fn read(
        &mut self,
        cursor: &mut Position,
        retention: &Retention,
        now: Instant,
    ) -> Option<Read<Arc<Item>>> {
        self.expire(retention, now);
        let first = self.first();
        let before_first = Position::new(self.epoch, first - 1);
        let uncounted = match self.lineage.until(cursor.epoch) {
            // Seen and lost since. What is given next, it has not seen.
            Some(until) if cursor.offset > until => Some(until.min(self.head)),
            Some(_) => {
                cursor.epoch = self.epoch;
                None
            }
            None => (cursor.epoch != self.epoch || cursor.offset > self.head).then_some(0),
        };
        if let Some(after) = uncounted {
            *cursor = Position::new(self.epoch, after.max(before_first.offset));
            return Some(Read::Gap(Gap {
                from: None,
                to: *cursor,
            }));
        }
        if cursor.offset == self.head {
            return None;
        }
        let next = cursor.offset + 1;
        if next < first {
            let counted = cursor.offset >= self.start;
            *cursor = before_first;
            return Some(Read::Gap(Gap {
                from: counted.then_some(next),
                to: before_first,
            }));
        }
        cursor.offset = next;
        let entry = &self.items[(next - first) as usize];
        Some(Read::Publication(entry.item.clone()))
    }

    /// Puts what follows `cursor` into `window`, up to about `limit` bytes of data; nothing where a
    /// gap comes first.
    pub(crate) fn look(
        &mut self,
        cursor: Position,
        retention: &Retention,
        limit: usize,
        now: Instant,
        window: &mut Window,
    ) {
        self.expire(retention, now);
        window.clear();
        let known = self.first() - 1..=self.head;
        if cursor.epoch != self.epoch || !known.contains(&cursor.offset) {
            return;
        }
        window.begin(cursor);
        let next = cursor.offset + 1 - self.first();
        let mut bytes = 0;
        for entry in self.items.range(next as usize..) {
            if bytes > limit {
                break;
            }
            bytes += entry.item.publication().data.len() + ITEM_WEIGHT as usize;
            window.push(entry.item.clone());
        }
    }

    /// Drops what is outside both bounds.
    pub(crate) fn expire(&mut self, retention: &Retention, now: Instant) {
        while let Some(oldest) = self.items.front() {
            if self.is_history(oldest, retention, now) || self.is_live(oldest, retention, now) {
                break;
            }
            self.trim_oldest();
        }
    }

    /// When the oldest item was appended, and whether live cursors may still need it.
    pub(crate) fn oldest(&self, retention: &Retention, now: Instant) -> Option<(bool, Instant)> {
        let oldest = self.items.front()?;
        Some((self.is_live(oldest, retention, now), oldest.at))
    }

    /// Lets the oldest item go; gives how many bytes it held.
    pub(crate) fn trim_oldest(&mut self) -> Option<usize> {
        let entry = self.items.pop_front()?;
        let bytes = entry.item.charged();
        self.gone.push(entry.item);
        Some(bytes)
    }

    /// The items that left since this was last asked.
    pub(crate) fn take_gone(&mut self) -> Vec<Arc<Item>> {
        mem::take(&mut self.gone)
    }

    /// Both questions are asked of the oldest entry, which all the others are newer than.
    fn is_history(&self, oldest: &Entry, retention: &Retention, now: Instant) -> bool {
        self.items.len() <= retention.history_len && age(oldest, now) < retention.history_age
    }

    fn is_live(&self, oldest: &Entry, retention: &Retention, now: Instant) -> bool {
        let newest = self.items.len() == 1;
        let bytes = self.appended - oldest.before;
        (newest || bytes <= retention.window_bytes as u64)
            && age(oldest, now) < retention.window_age
    }
}

fn age(entry: &Entry, now: Instant) -> Duration {
    now.saturating_duration_since(entry.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HubConfig;
    use encke_proto::Data;
    use proptest::prelude::*;

    const EPOCH: Epoch = Epoch::new(9);

    struct Fixture {
        log: Log,
        retention: Retention,
        memory: Arc<Memory>,
        now: Instant,
    }

    impl Fixture {
        fn new(retention: Retention) -> Self {
            Self {
                log: Log::new(Position::new(EPOCH, 0)),
                retention,
                memory: Arc::default(),
                now: Instant::now(),
            }
        }

        fn with_defaults() -> Self {
            Self::new(HubConfig::default().retention)
        }

        fn publish(&mut self, size: usize) {
            let position = Position::new(EPOCH, self.log.head + 1);
            let publication = Publication::new(position, Data::from("x".repeat(size)));
            let item = Item::new(publication, &self.memory);
            self.log.append(Arc::new(item), &self.retention, self.now);
        }

        fn place(&self, start: Start) -> Position {
            self.log.place(start, &self.retention, self.now)
        }

        fn read(&mut self, cursor: &mut Position) -> Option<Read<u64>> {
            Some(match self.log.read(cursor, &self.retention, self.now)? {
                Read::Publication(item) => Read::Publication(item.publication().position.offset),
                Read::Gap(gap) => Read::Gap(gap),
            })
        }

        fn read_all(&mut self, cursor: &mut Position) -> Vec<Read<u64>> {
            std::iter::from_fn(|| self.read(cursor)).collect()
        }
    }

    fn gap(from: impl Into<Option<u64>>, to: u64) -> Read<u64> {
        Read::Gap(Gap {
            from: from.into(),
            to: Position::new(EPOCH, to),
        })
    }

    fn publications(offsets: impl IntoIterator<Item = u64>) -> Vec<Read<u64>> {
        offsets.into_iter().map(Read::Publication).collect()
    }

    #[test]
    fn publish_60_expire_publish_60_recover_from_57() {
        let mut log = Fixture::with_defaults();
        (0..60).for_each(|_| log.publish(1));
        log.now += Duration::from_secs(301);
        (0..60).for_each(|_| log.publish(1));
        let mut cursor = Position::new(EPOCH, 57);
        let mut expected = vec![gap(58, 60)];
        expected.extend(publications(61..=120));
        assert_eq!(log.read_all(&mut cursor), expected);
    }

    #[test]
    fn a_thousand_publishes_in_one_tick_give_no_gap_even_without_history() {
        let retention = HubConfig::default().history(0, Duration::ZERO).retention;
        let mut log = Fixture::new(retention);
        let mut cursor = log.place(Start::Head);
        (0..1000).for_each(|_| log.publish(128));
        assert_eq!(log.read_all(&mut cursor), publications(1..=1000));
    }

    #[test]
    fn the_newest_stays_for_the_window_however_large() {
        let retention = HubConfig::default().history(0, Duration::ZERO).retention;
        let mut log = Fixture::new(retention);
        let mut cursor = log.place(Start::Head);
        log.publish(3 << 20);
        log.now += Duration::from_secs(9);
        assert_eq!(log.read_all(&mut cursor.clone()), publications([1]));
        log.now += Duration::from_secs(1);
        assert_eq!(log.read_all(&mut cursor), [gap(1, 1)]);
    }

    #[test]
    fn a_newcomer_may_recover_the_history_but_not_the_whole_window() {
        let mut log = Fixture::with_defaults();
        (0..150).for_each(|_| log.publish(1));
        let mut recent = log.place(Start::Recent(2));
        assert_eq!(log.read_all(&mut recent), publications([149, 150]));
        let mut all = log.place(Start::Recent(1_000));
        assert_eq!(log.read_all(&mut all), publications(51..=150));
        let mut head = log.place(Start::Head);
        assert_eq!(log.read_all(&mut head), []);
    }

    #[test]
    fn a_newcomer_gets_nothing_older_than_the_history_although_the_window_has_it() {
        let young = Duration::from_secs(1);
        let mut log = Fixture::new(HubConfig::default().history(100, young).retention);
        (0..3).for_each(|_| log.publish(1));
        log.now += Duration::from_secs(2);
        log.publish(1);
        let mut newcomer = log.place(Start::Recent(100));
        assert_eq!(log.read_all(&mut newcomer), publications([4]));
    }

    #[test]
    fn a_loss_before_the_log_began_cannot_be_counted() {
        let mut log = Fixture::with_defaults();
        log.log = Log::new(Position::new(EPOCH, 60));
        log.publish(1);
        let mut before = Position::new(EPOCH, 57);
        assert_eq!(
            log.read_all(&mut before),
            [gap(None, 60), Read::Publication(61)]
        );
        let mut at_start = Position::new(EPOCH, 60);
        assert_eq!(log.read_all(&mut at_start), publications([61]));
    }

    #[test]
    fn other_epochs_and_future_offsets_begin_with_an_uncounted_gap() {
        let mut log = Fixture::with_defaults();
        let mut unknown = Position::UNKNOWN;
        assert_eq!(log.read_all(&mut unknown), [gap(None, 0)]);
        (0..3).for_each(|_| log.publish(1));
        let mut expected = vec![gap(None, 0)];
        expected.extend(publications(1..=3));
        let mut future = Position::new(EPOCH, 4);
        assert_eq!(log.read_all(&mut future), expected);
        let mut other = Position::new(Epoch::new(8), 2);
        assert_eq!(log.read_all(&mut other), expected);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Publish(usize),
        Read(usize),
        Wait(u64),
        Trim,
        Resubscribe,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..600_000_usize).prop_map(Step::Publish),
            4 => (1..20_usize).prop_map(Step::Read),
            1 => (0..400_u64).prop_map(Step::Wait),
            1 => Just(Step::Trim),
            1 => Just(Step::Resubscribe),
        ]
    }

    proptest! {
        /// The rule: every offset once and in order, or a gap that covers it.
        #[test]
        fn every_offset_once_and_in_order_or_a_gap(
            history in 0..10_usize,
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let age = Duration::from_secs(300);
            let mut log = Fixture::new(HubConfig::default().history(history, age).retention);
            let mut cursor = log.log.head();
            let mut seen = 0;
            let check = |seen: &mut u64, read| {
                match read {
                    Read::Publication(offset) => assert_eq!(offset, *seen + 1),
                    Read::Gap(gap) => assert_eq!(gap.from, Some(*seen + 1)),
                }
                *seen = match read { Read::Publication(offset) => offset, Read::Gap(gap) => gap.to.offset };
            };
            for step in steps {
                match step {
                    Step::Publish(size) => log.publish(size),
                    Step::Wait(seconds) => log.now += Duration::from_secs(seconds),
                    Step::Trim => { log.log.trim_oldest(); }
                    // The client comes back with the position it was told last.
                    Step::Resubscribe => cursor = log.place(Start::After(Position::new(EPOCH, seen))),
                    Step::Read(times) => for _ in 0..times {
                        let Some(read) = log.read(&mut cursor) else { break };
                        check(&mut seen, read);
                    }
                }
                prop_assert!(log.log.items.len() <= 200);
            }
            for read in log.read_all(&mut cursor) {
                check(&mut seen, read);
            }
            prop_assert_eq!(seen, log.log.head);
        }
    }
}
