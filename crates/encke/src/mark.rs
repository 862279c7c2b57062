//! The mark that a publish leaves for a reader, and the wake that goes with it.
//!
//! The reader calls [`Mark::arm`] and then reads the heads of its logs; the publisher appends and
//! then calls [`Mark::set`]. Whichever comes first, the reader sees the publication or is woken
//! after it; and it is woken once, however much is published before it reads again.

use crate::sync::{AtomicBool, Ordering};
#[cfg(not(encke_loom))]
use futures_util::task::AtomicWaker;
#[cfg(encke_loom)]
use loom::future::AtomicWaker;
use std::task::Waker;

/// Whether a reader has news, and how to wake it.
#[derive(Debug)]
pub(crate) struct Mark {
    set: AtomicBool,
    reader: AtomicWaker,
}

impl Mark {
    pub(crate) fn new() -> Self {
        Self {
            set: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        }
    }

    /// Clears the mark, for a reader about to look at its logs.
    pub(crate) fn arm(&self, waker: &Waker) {
        #[cfg(not(encke_loom))]
        self.reader.register(waker);
        #[cfg(encke_loom)]
        self.reader.register_by_ref(waker);
        self.set.store(false, Ordering::Release);
    }

    /// Sets the mark; gives the waker to call where it was not set before.
    ///
    /// The caller wakes when it holds no lock.
    #[must_use]
    pub(crate) fn set(&self) -> Option<Waker> {
        if self.set.swap(true, Ordering::AcqRel) {
            return None;
        }
        #[cfg(not(encke_loom))]
        let waker = self.reader.take();
        #[cfg(encke_loom)]
        let waker = self.reader.take_waker();
        waker
    }
}
