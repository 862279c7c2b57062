//! All deadlines of a connection.

use crate::ws::{Config, KeepAlive};
use std::time::Instant;

/// What is due, and when.
#[derive(Debug)]
pub(super) struct Timers {
    next: Due,
    /// When it is; `None` for never.
    at: Option<Instant>,
    idle_at: Option<Instant>,
    paused: bool,
}

/// What a connection waits for, one thing at a time; for the idle timeout beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A sign of life of its own.
    KeepAlive,
    /// The peer counts as lost: only behind a ping.
    Lost,
    /// No message came or went for too long.
    Idle,
    /// The end of the wait for what follows a Close.
    Close,
}

impl Timers {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut timers = Self {
            next: Due::KeepAlive,
            at: None,
            idle_at: None,
            paused: false,
        };
        timers.heard(config, now);
        timers.spoke(config, now);
        timers
    }

    /// When a sign of life is due, if nothing else can be.
    pub(super) fn only_keep_alive(&self) -> Option<Option<Instant>> {
        let only = self.next == Due::KeepAlive && self.idle_at.is_none() && !self.paused;
        only.then_some(self.at)
    }

    /// Those of a connection on which nothing else can be due.
    pub(super) fn with_only_keep_alive(at: Option<Instant>) -> Self {
        Self {
            next: Due::KeepAlive,
            at,
            idle_at: None,
            paused: false,
        }
    }

    /// Anything came from the peer, which is alive then. A Close is waited for no longer.
    pub(super) fn heard(&mut self, config: &Config, now: Instant) {
        if self.next != Due::Close {
            let period = config.keep_alive.period();
            self.next = Due::KeepAlive;
            self.at = period.and_then(|period| now.checked_add(period));
        }
    }

    /// A message came or went.
    pub(super) fn spoke(&mut self, config: &Config, now: Instant) {
        if self.next != Due::Close {
            let timeout = config.idle_timeout;
            self.idle_at = timeout.and_then(|after| now.checked_add(after));
        }
    }

    /// A sign of life was sent.
    pub(super) fn kept_alive(&mut self, config: &Config, now: Instant) {
        match config.keep_alive {
            KeepAlive::Ping { deadline, .. } if !self.paused => {
                self.next = Due::Lost;
                self.at = now.checked_add(deadline);
            }
            _ => self.heard(config, now),
        }
    }

    /// A Close was sent, or is to be: nothing else is waited for.
    pub(super) fn close(&mut self, config: &Config, now: Instant) {
        self.next = Due::Close;
        self.at = now.checked_add(config.close_timeout);
        self.idle_at = None;
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.at.into_iter().chain(self.idle_at).min()
    }

    /// What is due; a sign of life only once.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let next = self.at.filter(|at| *at <= now).map(|_| self.next);
        match next {
            Some(Due::Lost | Due::Close) => next,
            _ if self.idle_at.is_some_and(|at| at <= now) => Some(Due::Idle),
            _ => {
                self.at.take_if(|at| *at <= now);
                next
            }
        }
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
        if self.next == Due::Lost {
            self.at = None;
        }
    }

    pub(super) fn resume(&mut self, config: &Config, now: Instant) {
        self.paused = false;
        self.heard(config, now);
    }
}
