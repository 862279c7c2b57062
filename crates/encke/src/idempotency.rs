//! Keys of publications that must be made once, where this hub is all there is.

use encke_proto::{Channel, Position};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Bytes that all keys may take; above it the oldest are forgotten before their time.
const LIMIT: usize = 16 << 20;

/// What a key takes beside its text and its channel's name.
const KEY_WEIGHT: usize = 128;

/// The keys used lately, with the positions they stand for.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys {
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    positions: HashMap<Key, Position>,
    /// The oldest first.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

type Key = (Channel, Arc<str>);

impl IdempotencyKeys {
    /// The position that this key stands for: that of the publication `publish` makes, unless it was
    /// used within the window before.
    pub(crate) fn publish_once(
        &self,
        key: Key,
        window: Duration,
        now: Instant,
        publish: impl FnOnce() -> Position,
    ) -> Position {
        let mut used = self.lock();
        used.forget(window, now);
        if let Some(position) = used.positions.get(&key) {
            return *position;
        }
        // Under the lock, so that two who ask at once get one publication.
        let position = publish();
        used.bytes += weight(&key);
        used.order.push_back((now, key.clone()));
        used.positions.insert(key, position);
        position
    }

    /// Forgets the keys whose time is over.
    pub(crate) fn sweep(&self, window: Duration, now: Instant) {
        self.lock().forget(window, now);
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn forget(&mut self, window: Duration, now: Instant) {
        while let Some((at, _)) = self.order.front()
            && (now.saturating_duration_since(*at) >= window || self.bytes > LIMIT)
        {
            let Some((_, key)) = self.order.pop_front() else {
                return;
            };
            self.bytes -= weight(&key);
            self.positions.remove(&key);
        }
    }
}

fn weight((channel, key): &Key) -> usize {
    KEY_WEIGHT + channel.as_str().len() + key.len()
}
