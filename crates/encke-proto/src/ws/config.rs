//! What an endpoint allows and when it acts by itself.

use super::deflate;
use std::time::Duration;

/// Limits and times of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Longest frame that is taken, in bytes of payload. A longer one ends in close 1009.
    ///
    /// Default: 64 KiB.
    pub max_frame: usize,
    /// Longest message that is taken, fragments and inflated bytes counted together. A longer one
    /// ends in close 1009.
    ///
    /// Default: 64 KiB. Every connection may take this much memory while a message arrives.
    pub max_message: usize,
    /// What is done while the peer is silent.
    ///
    /// Default: a ping after 25 s, to be answered within 10 s.
    pub keep_alive: KeepAlive,
    /// Close 1001 where no message came or went for this long; pings and pongs are no messages.
    ///
    /// Default: none. Dead peers are found by the keep-alive.
    pub idle_timeout: Option<Duration>,
    /// How long the peer may take to answer our Close, from when it was handed out.
    ///
    /// Default: 3 s. Whatever else the peer sends does not extend it.
    pub close_timeout: Duration,
    /// Compression of messages; `None` never negotiates it.
    ///
    /// Default: as [`deflate::Config::default`].
    pub deflate: Option<deflate::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame: 64 << 10,
            max_message: 64 << 10,
            keep_alive: KeepAlive::default(),
            idle_timeout: None,
            close_timeout: Duration::from_secs(3),
            deflate: Some(deflate::Config::default()),
        }
    }
}

/// What is done while nothing comes from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// Nothing: a peer that vanished is not noticed before a write to it fails.
    Off,
    /// A ping, whose answer proves the peer alive.
    Ping {
        /// Silence before a ping. Zero sends none.
        period: Duration,
        /// Silence after a ping before the peer counts as lost (1006 for the application).
        deadline: Duration,
    },
    /// A pong that nobody asked for, which keeps proxies content and expects nothing.
    Pong {
        /// Silence before a pong. Zero sends none.
        period: Duration,
    },
}

impl KeepAlive {
    pub(super) fn period(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Ping { period, .. } | Self::Pong { period } => {
                Some(period).filter(|period| !period.is_zero())
            }
        }
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::Ping {
            period: Duration::from_secs(25),
            deadline: Duration::from_secs(10),
        }
    }
}
