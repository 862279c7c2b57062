//! The mark that a publish leaves for a reader, and the wake that goes with it.
//!
//! The reader calls [`Mark::arm`] and then reads the heads of its logs; the publisher appends and
//! then calls [`Mark::set`]. Whichever comes first, the reader sees the publication or is woken
//! after it; and it is woken once, however much is published before it reads again.

use crate::sync::{AtomicBool, Mutex, Ordering, lock};
#[cfg(not(encke_loom))]
use futures_util::task::AtomicWaker;
#[cfg(encke_loom)]
use loom::future::AtomicWaker;
use std::{mem, sync::Arc, task::Waker};

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

/// Which of the many logs that one task reads have news, and how to wake it.
///
/// It is woken once, however many of them have. The task calls [`Board::arm`], then
/// [`Board::take`], and [`BoardMark::clear`] before it looks at the log in question.
#[derive(Debug)]
pub(crate) struct Board {
    news: Mutex<Vec<u32>>,
    mark: Mark,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            news: Mutex::new(Vec::new()),
            mark: Mark::new(),
        }
    }

    /// Clears the mark, for a task about to look.
    pub(crate) fn arm(&self, waker: &Waker) {
        self.mark.arm(waker);
    }

    /// Puts the keys of the logs that have news in place of what `keys` had.
    pub(crate) fn take(&self, keys: &mut Vec<u32>) {
        keys.clear();
        mem::swap(keys, &mut *lock(&self.news));
    }

    /// Wakes the task although no log has news.
    #[must_use]
    pub(crate) fn set(&self) -> Option<Waker> {
        self.mark.set()
    }
}

/// The mark of one of these logs.
#[derive(Debug)]
pub(crate) struct BoardMark {
    board: Arc<Board>,
    key: u32,
    set: AtomicBool,
}

impl BoardMark {
    pub(crate) fn new(board: Arc<Board>, key: u32) -> Self {
        Self {
            board,
            key,
            set: AtomicBool::new(false),
        }
    }

    /// Clears the mark, for a reader about to look at its log.
    pub(crate) fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    /// As [`Mark::set`].
    #[must_use]
    pub(crate) fn set(&self) -> Option<Waker> {
        if self.set.swap(true, Ordering::AcqRel) {
            return None;
        }
        lock(&self.board.news).push(self.key);
        self.board.set()
    }
}
