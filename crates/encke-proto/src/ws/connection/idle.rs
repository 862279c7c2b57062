//! A connection on which nothing is under way, in as few bytes as it takes.

use super::{Agreement, Config, Connection, Phase, Timers};
use std::{sync::Arc, time::Instant};

/// What to remember of a server's connection while nothing is under way on it.
///
/// Its rules and what was agreed on for compression are remembered beside it, or shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Idle {
    keep_alive_at: Option<Instant>,
}

impl Idle {
    /// When to make the connection again although nothing came.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.keep_alive_at
    }
}

impl Connection {
    /// What to remember in place of this connection; `None` where that is all of it: something is
    /// half read, waits to be told or sent, or is awaited, or compression has a context.
    pub fn idle(&self) -> Option<Idle> {
        let quiet = self.phase == Phase::Open
            && self.event.is_none()
            && self.closed.is_none()
            && self.close.is_none()
            && self.pong.is_none()
            && !self.keep_alive_due
            && self.reader.is_idle()
            && self.sender.is_idle();
        let keep_alive_at = self.timers.only_keep_alive().filter(|_| quiet)?;
        Some(Idle { keep_alive_at })
    }

    /// The server's connection that `idle` was remembered of.
    pub fn from_idle(config: Arc<Config>, deflate: Option<Agreement>, idle: &Idle) -> Self {
        let timers = Timers::with_only_keep_alive(idle.keep_alive_at);
        Self::with_timers(config, deflate, None, timers)
    }
}
