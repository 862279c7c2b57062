//! The mark that a publish leaves for a reader, and the wake that goes with it.
//!
//! The reader calls [`Mark::arm`] and then reads the heads of its logs; the publisher appends and
//! then calls [`Mark::set`]. Whichever comes first, the reader sees the publication or is woken
//! after it; and it is woken once, however much is published before it reads again.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock};
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
        // A swap sees what was published before the mark was set that it clears.
        self.set.swap(false, Ordering::AcqRel);
    }

    /// Whether there are news since it was armed.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
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
    /// How many listen to the log through that task.
    listeners: AtomicU64,
}

impl BoardMark {
    pub(crate) fn new(board: Arc<Board>, key: u32) -> Self {
        Self {
            board,
            key,
            set: AtomicBool::new(false),
            listeners: AtomicU64::new(0),
        }
    }

    /// How many listen to the log through that task.
    pub(crate) fn listeners(&self) -> u64 {
        self.listeners.load(Ordering::Relaxed)
    }

    /// So many do now.
    pub(crate) fn set_listeners(&self, listeners: usize) {
        self.listeners.store(listeners as u64, Ordering::Relaxed);
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

#[cfg(all(test, encke_loom))]
mod loom_tests {
    use super::*;
    use loom::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        thread,
    };
    use std::task::Wake;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A log as far as its mark is concerned: how much is in it.
    struct Counted {
        published: AtomicUsize,
        mark: BoardMark,
    }

    impl Counted {
        fn on(board: &Arc<Board>, key: u32) -> Arc<Self> {
            Arc::new(Self {
                published: AtomicUsize::new(0),
                mark: BoardMark::new(board.clone(), key),
            })
        }

        fn publish(&self) {
            self.published.fetch_add(1, SeqCst);
            self.mark.set().into_iter().for_each(Waker::wake);
        }
    }

    /// What a shard does in a turn: gives how much it has seen in each of the logs with news.
    fn turn(board: &Board, logs: &[Arc<Counted>], waker: &Waker, seen: &mut [usize]) {
        board.arm(waker);
        let mut keys = Vec::new();
        board.take(&mut keys);
        for key in keys {
            let log = &logs[key as usize];
            log.mark.clear();
            seen[key as usize] = log.published.load(SeqCst);
        }
    }

    #[test]
    fn loom_the_task_of_a_board_takes_the_news_or_is_woken_once_for_all() {
        loom::model(|| {
            let board = Arc::new(Board::new());
            let logs = [Counted::on(&board, 0), Counted::on(&board, 1)];
            let woken = Arc::new(Woken(AtomicUsize::new(0)));
            let waker = Waker::from(woken.clone());
            let publishers = logs.clone().map(|log| thread::spawn(move || log.publish()));
            let mut seen = [0; 2];
            turn(&board, &logs, &waker, &mut seen);
            for publisher in publishers {
                publisher.join().unwrap();
            }
            let times = woken.0.load(SeqCst);
            assert!(times <= 1, "woken {times} times");
            assert!(seen == [1, 1] || times == 1, "saw {seen:?} and sleeps");
            turn(&board, &logs, &waker, &mut seen);
            assert_eq!(seen, [1, 1]);
        });
    }

    #[test]
    fn loom_what_is_published_while_the_task_looks_is_news_again() {
        loom::model(|| {
            let board = Arc::new(Board::new());
            let logs = [Counted::on(&board, 0)];
            let woken = Arc::new(Woken(AtomicUsize::new(0)));
            let waker = Waker::from(woken.clone());
            let log = logs[0].clone();
            let publisher = thread::spawn(move || (log.publish(), log.publish()));
            let mut seen = [0];
            turn(&board, &logs, &waker, &mut seen);
            turn(&board, &logs, &waker, &mut seen);
            publisher.join().unwrap();
            let times = woken.0.load(SeqCst);
            assert!(seen == [2] || times > 0, "saw {seen:?} and sleeps");
            turn(&board, &logs, &waker, &mut seen);
            assert_eq!(seen, [2]);
        });
    }
}
