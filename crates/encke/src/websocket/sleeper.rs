//! A task that waits for something behind a lock.

use std::{mem, task::Waker};

/// Who is to be woken, if anybody sleeps. It lives behind the lock of what is waited for.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    /// Kept while awake: it is the same task most times.
    waker: Option<Waker>,
    asleep: bool,
}

impl Sleeper {
    /// Sleeps until it is roused.
    pub(super) fn sleep(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(kept) => kept.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
        self.asleep = true;
    }

    /// Whom to wake once the lock is open.
    #[must_use = "it is not woken yet"]
    pub(super) fn rouse(&mut self) -> Option<Waker> {
        let waker = self.waker.as_ref().filter(|_| self.asleep).cloned();
        self.asleep = false;
        waker
    }

    /// As [`rouse`](Self::rouse), unless it sleeps in the task of `runner`, which goes on anyway.
    #[must_use = "it is not woken yet"]
    pub(super) fn rouse_beside(&mut self, runner: &Waker) -> Option<Waker> {
        let asleep = mem::take(&mut self.asleep);
        let beside = |waker: &&Waker| asleep && !waker.will_wake(runner);
        self.waker.as_ref().filter(beside).cloned()
    }
}
