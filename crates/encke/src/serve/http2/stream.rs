//! The tasks of a connection's streams, each ended where its client takes nothing of it.
//!
//! The deadline stands here, not in the body: nobody polls the body of a stream whose window is
//! closed. Dropping the task's future resets the stream.

use crate::{Shutdown, shutdown};
use futures_util::task::AtomicWaker;
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until, timeout},
};

tokio::task_local! {
    /// The stream whose task is running.
    static CURRENT: Arc<Stream>;
}

/// One stream, as its task and its body know it.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// When its body handed bytes over, until it is asked for more.
    handed_over: Mutex<Option<Instant>>,
    stalled: AtomicBool,
    task: AtomicWaker,
}

impl Stream {
    /// The one whose task this is called in.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }

    pub(super) fn asks_for_more(&self) {
        *self.lock() = None;
    }

    pub(super) fn hands_over(&self) {
        *self.lock() = Some(Instant::now());
    }

    pub(in super::super) fn has_stalled(&self) -> bool {
        self.stalled.load(Ordering::Acquire)
    }

    /// Ends it.
    pub(in super::super) fn stalls(&self) {
        self.stalled.store(true, Ordering::Release);
        self.task.wake();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where hyper runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    shutdown: Shutdown,
    stall_limit: Duration,
    open: Arc<watch::Sender<usize>>,
}

impl Streams {
    pub(super) fn new(shutdown: Shutdown, stall_limit: Duration) -> Self {
        Self {
            shutdown,
            stall_limit,
            open: Arc::default(),
        }
    }

    /// Resolves when no stream was open for this long.
    pub(super) async fn none_for(&self, limit: Duration) {
        let mut open = self.open.subscribe();
        loop {
            // The sender is ours: it does not go away.
            let _ = open.wait_for(|&open| open == 0).await;
            if timeout(limit, open.wait_for(|&open| open > 0))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        // What a stream was upgraded to is run from its own task, and ended with it.
        let stream = Stream::current();
        let task = Task {
            future,
            begun: Some(Box::pin(self.shutdown.begun())),
            stall_limit: self.stall_limit,
            deadline: None,
            stream: stream.clone(),
            _open: Open::new(self.open.clone()),
        };
        let task = shutdown::tell(self.shutdown.clone(), task);
        tokio::spawn(CURRENT.scope(stream, task));
    }
}

/// Counts a stream as long as its task lives.
struct Open(Arc<watch::Sender<usize>>);

impl Open {
    fn new(open: Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

pin_project! {
    struct Task<F> {
        #[pin]
        future: F,
        // Wakes the task when the server shuts down, so that bodies see it.
        begun: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        stall_limit: Duration,
        deadline: Option<Pin<Box<Sleep>>>,
        stream: Arc<Stream>,
        _open: Open,
    }
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.stream.task.register(cx.waker());
        if let Some(begun) = this.begun
            && begun.as_mut().poll(cx).is_ready()
        {
            *this.begun = None;
        }
        if this.future.poll(cx).is_ready() || this.stream.has_stalled() {
            return Poll::Ready(());
        }
        let Some(since) = *this.stream.lock() else {
            *this.deadline = None;
            return Poll::Pending;
        };
        let at = since + *this.stall_limit;
        let deadline = this
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(at)));
        if deadline.deadline() != at {
            deadline.as_mut().reset(at);
        }
        deadline.as_mut().poll(cx).map(|()| this.stream.stalls())
    }
}
