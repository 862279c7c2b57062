//! What a hub keeps, and for how long.

use std::time::Duration;

/// What a [`Hub`](crate::Hub) keeps of each channel, and how patient it is with its sessions.
///
/// ```
/// use encke::HubConfig;
/// use std::time::Duration;
///
/// let config = HubConfig::default()
///     .history(1_000, Duration::from_secs(3_600))
///     .keep_alive(Duration::from_secs(15));
/// # let _ = config;
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HubConfig {
    pub(crate) retention: Retention,
    pub(crate) memory_limit: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) stall_limit: Duration,
    pub(crate) idempotency_window: Duration,
    pub(crate) broker_patience: Duration,
    pub(crate) check_period: Duration,
}

/// As long as for ever, for what is reckoned with and told to engines.
pub(crate) const LONGEST: Duration = Duration::from_secs(3_650 * 24 * 3_600);

/// Below this nothing would be done but to ask.
const SHORTEST_CHECK: Duration = Duration::from_millis(10);

/// The two bounds of a log. A publication leaves when it is outside both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) history_len: usize,
    pub(crate) history_age: Duration,
    pub(crate) window_bytes: usize,
    pub(crate) window_age: Duration,
}

impl Retention {
    /// How long a client may be away and still recover.
    pub(crate) fn longest(&self) -> Duration {
        self.history_age.max(self.window_age)
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            retention: Retention {
                history_len: 100,
                history_age: Duration::from_secs(5 * 60),
                window_bytes: 1 << 20,
                window_age: Duration::from_secs(10),
            },
            memory_limit: 256 << 20,
            keep_alive: Duration::from_secs(25),
            stall_limit: Duration::from_secs(10),
            idempotency_window: Duration::from_secs(5 * 60),
            broker_patience: Duration::from_secs(5),
            check_period: Duration::from_secs(10),
        }
    }
}

impl HubConfig {
    /// How many publications of a channel a newcomer may recover, and for how long.
    ///
    /// Default: 100 publications, 5 minutes. A count of 0 keeps no history. Raise it where clients
    /// stay away for longer; each channel may take this much memory, within
    /// [`memory_limit`](Self::memory_limit).
    pub fn history(mut self, publications: usize, age: Duration) -> Self {
        self.retention.history_len = publications;
        self.retention.history_age = age;
        self
    }

    /// How far a connected subscriber may fall behind before it is told of a gap.
    ///
    /// Default: 1 MiB of published data, with 64 bytes more per publication, and 10 seconds,
    /// whatever the history. Raise it for bursty
    /// channels with slow readers; each channel may take this much memory, once for all its
    /// subscribers.
    pub fn live_window(mut self, bytes: usize, age: Duration) -> Self {
        self.retention.window_bytes = bytes;
        self.retention.window_age = age;
        self
    }

    /// Bytes that all channels together may hold: data, and the forms it was encoded in.
    ///
    /// Default: 256 MiB. Above it the oldest publications leave first, those outside the live
    /// window before all others; [`Stats::trimmed`](crate::Stats::trimmed) counts them.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// How long a session stays silent before it is sent a sign of life.
    ///
    /// Default: 25 seconds, which keeps proxies with a 30 second limit from cutting a quiet
    /// stream. Zero never sends one. Kept to the second. Each sign costs a packet per session.
    pub fn keep_alive(mut self, period: Duration) -> Self {
        self.keep_alive = period;
        self
    }

    /// How long a session may have data waiting that its client does not take before it ends.
    ///
    /// Default: 10 seconds. Kept to the second. The session's memory is freed then, under any
    /// server; its socket is cut by [`serve`](crate::serve()), and lives under another server until
    /// that one drops it.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// How long the [key of a publication](crate::Publish::idempotency_key) is remembered.
    ///
    /// Default: 5 minutes. Raise it where publishers try again for longer. A key takes some hundred
    /// bytes for that long; a hub of its own keeps 16 MiB of them, and forgets the oldest first.
    pub fn idempotency_window(mut self, window: Duration) -> Self {
        self.idempotency_window = window.min(LONGEST);
        self
    }

    /// How long publishing, and a session on a channel that is new to this node, wait for a broker
    /// that is away.
    ///
    /// Default: 5 seconds. Zero gives an error at once. While a broker is there but slow, it has 5
    /// seconds to answer whatever this says.
    pub fn broker_patience(mut self, patience: Duration) -> Self {
        self.broker_patience = patience.min(LONGEST);
        self
    }

    /// How often a broker is asked where channels stand on which nothing was heard.
    ///
    /// Default: 10 seconds, each time between a half and one and a half of them. It bounds how late a
    /// publication is whose announcement was lost in silence; the question costs the engine a few
    /// microseconds per channel and node. Also how often each node tells how many listen. At least 10
    /// milliseconds.
    pub fn check_period(mut self, period: Duration) -> Self {
        self.check_period = period.clamp(SHORTEST_CHECK, LONGEST);
        self
    }
}
