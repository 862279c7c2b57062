//! All deadlines of a connection.

use crate::ws::{Config, KeepAlive};
use std::time::{Duration, Instant};

/// When something is due; `None` for never.
#[derive(Debug)]
pub(super) struct Timers {
    keep_alive: KeepAlive,
    idle_timeout: Option<Duration>,
    /// The next sign of life; `None` while one waits to be sent.
    keep_alive_at: Option<Instant>,
    /// When the peer counts as lost: only behind a ping.
    lost_at: Option<Instant>,
    idle_at: Option<Instant>,
    close_at: Option<Instant>,
    paused: bool,
}

impl Timers {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut timers = Self {
            keep_alive: config.keep_alive,
            idle_timeout: config.idle_timeout,
            keep_alive_at: None,
            lost_at: None,
            idle_at: None,
            close_at: None,
            paused: false,
        };
        timers.heard(now);
        timers.spoke(now);
        timers
    }

    /// Anything came from the peer, which is alive then.
    pub(super) fn heard(&mut self, now: Instant) {
        self.lost_at = None;
        self.keep_alive_at = self.keep_alive.period().and_then(|p| now.checked_add(p));
    }

    /// A message came or went.
    pub(super) fn spoke(&mut self, now: Instant) {
        self.idle_at = self.idle_timeout.and_then(|after| now.checked_add(after));
    }

    /// Whether a sign of life is to be sent; said once.
    pub(super) fn take_keep_alive(&mut self, now: Instant) -> bool {
        self.keep_alive_at.take_if(|at| *at <= now).is_some()
    }

    /// A sign of life was sent.
    pub(super) fn kept_alive(&mut self, now: Instant) {
        match self.keep_alive {
            KeepAlive::Ping { deadline, .. } if !self.paused => {
                self.lost_at = now.checked_add(deadline);
            }
            _ => self.heard(now),
        }
    }

    pub(super) fn is_lost(&self, now: Instant) -> bool {
        self.lost_at.is_some_and(|at| at <= now)
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.idle_at.is_some_and(|at| at <= now)
    }

    pub(super) fn close(&mut self, config: &Config, now: Instant) {
        self.close_at = now.checked_add(config.close_timeout);
    }

    pub(super) fn close_deadline(&self) -> Option<Instant> {
        self.close_at
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.keep_alive_at, self.lost_at, self.idle_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
        self.lost_at = None;
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.paused = false;
        self.heard(now);
    }
}
