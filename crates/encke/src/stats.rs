//! What a hub counts.

use encke_proto::Disconnect;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers of a [`Hub`](crate::Hub), from [`Hub::stats`](crate::Hub::stats).
///
/// Those named after something that happens count since the hub was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Channels that have a log now.
    pub channels: usize,
    /// Sessions connected now.
    pub sessions: usize,
    /// Those of them that took their sockets out of HTTP: see
    /// [`Listener::shards`](crate::Listener::shards).
    pub detached: usize,
    /// Bytes of publications held now, in every form.
    pub memory: usize,
    /// Publications made by this hub.
    pub published: u64,
    /// Reads of a channel from a broker: one for all who wait for it.
    pub history_reads: u64,
    /// Gaps that subscribers were told of.
    pub gaps: u64,
    /// Publications dropped early to stay within the memory limit.
    pub trimmed: u64,
    /// Sessions whose connection ended: the client left, or the server cut it.
    pub gone: u64,
    /// Sessions freed because their client took nothing for too long, on connections that the
    /// server had not cut by then.
    pub stalled: u64,
    /// Sessions ended because the hub was shut down.
    pub shut_down: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    published: AtomicU64,
    history_reads: AtomicU64,
    gaps: AtomicU64,
    trimmed: AtomicU64,
    gone: AtomicU64,
    stalled: AtomicU64,
    shut_down: AtomicU64,
}

impl Counters {
    pub(crate) fn published(&self) {
        self.published.fetch_add(1, Relaxed);
    }

    pub(crate) fn history_read(&self) {
        self.history_reads.fetch_add(1, Relaxed);
    }

    pub(crate) fn gap(&self) {
        self.gaps.fetch_add(1, Relaxed);
    }

    pub(crate) fn trimmed(&self) {
        self.trimmed.fetch_add(1, Relaxed);
    }

    /// A session ended; `None` where the client left by itself.
    pub(crate) fn ended(&self, disconnect: Option<Disconnect>) {
        let counter = match disconnect {
            None => &self.gone,
            Some(Disconnect::Stalled) => &self.stalled,
            Some(_) => &self.shut_down,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            published: self.published.load(Relaxed),
            history_reads: self.history_reads.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            trimmed: self.trimmed.load(Relaxed),
            gone: self.gone.load(Relaxed),
            stalled: self.stalled.load(Relaxed),
            shut_down: self.shut_down.load(Relaxed),
            ..Stats::default()
        }
    }
}
