//! Sessions whose sockets were taken back from HTTP: many to a task, and nothing of their own but
//! what they are.
//!
//! A shard has its own readiness loop. A publish wakes it once; it writes to every socket that is
//! behind, and leaves behind those that take nothing, until they do.

mod client;
mod feed;
mod key;
mod readiness;
mod rest;
mod settle;
mod span;
mod task;
#[cfg(test)]
mod tests;

use self::{client::Client, task::Task};
use super::{session::Parts, socket::Dialog};
use crate::{Shutdown, channel_log::Attachment, hub::Shared, mark::Board};
use mio::net::TcpStream;
use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Poll, Waker, ready},
    time::Duration,
};
use tokio::task::JoinSet;

/// The shards of one server.
pub(crate) struct Shards {
    inboxes: Box<[Arc<Inbox>]>,
    next: AtomicUsize,
    /// Those that were needed so far.
    running: Mutex<JoinSet<()>>,
    shutdown: Shutdown,
    stall_limit: Duration,
}

/// What a shard is told.
struct Inbox {
    board: Arc<Board>,
    newcomers: Mutex<Vec<Newcomer>>,
    /// Whether there is a task; one that panicked is followed by another.
    running: AtomicBool,
    /// Nobody joins any more.
    closed: AtomicBool,
}

/// A session that leaves its connection's task, and the places it has in the logs until then.
struct Newcomer {
    client: Client,
    /// Where it is a WebSocket.
    dialog: Option<Box<Dialog>>,
    attachments: Box<[Attachment]>,
}

/// A place for one session in a shard that runs.
pub(crate) struct Seat(Arc<Inbox>);

impl Shards {
    /// One per core unless `count` says otherwise, each of which starts with its first session.
    ///
    /// With none, no session leaves its connection.
    pub(crate) fn new(count: Option<usize>, shutdown: Shutdown, stall_limit: Duration) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = count.unwrap_or_else(cores);
        Self {
            inboxes: (0..count).map(|_| Arc::new(Inbox::new())).collect(),
            next: AtomicUsize::new(0),
            running: Mutex::default(),
            shutdown,
            stall_limit,
        }
    }

    /// A place for another session; `None` where the process cannot have the shard it needs.
    ///
    /// Within a tokio runtime only.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let turn = self.next.fetch_add(1, Relaxed);
        let inbox = &self.inboxes[turn.checked_rem(self.inboxes.len())?];
        if inbox.closed.load(Relaxed) {
            return None;
        }
        if !inbox.running.load(Relaxed) {
            self.start(inbox)?;
        }
        Some(Seat(inbox.clone()))
    }

    fn start(&self, inbox: &Arc<Inbox>) -> Option<()> {
        let mut running = lock(&self.running);
        if inbox.running.load(Relaxed) {
            return Some(());
        }
        let task = Task::new(inbox.clone(), self.stall_limit)
            .inspect_err(|error| tracing::error!(%error, "cannot start a shard"))
            .ok()?;
        running.spawn(task.run(self.shutdown.clone()));
        inbox.running.store(true, Relaxed);
        Some(())
    }

    /// Returns when every session has ended, as they do once the server shuts down.
    pub(crate) async fn drained(&self) {
        self.close();
        poll_fn(|cx| {
            let mut running = lock(&self.running);
            while ready!(running.poll_join_next(cx)).is_some() {}
            Poll::Ready(())
        })
        .await;
    }

    /// Ends every session at once.
    pub(crate) fn cut(&self) {
        self.close();
        lock(&self.running).abort_all();
    }

    fn close(&self) {
        for inbox in &self.inboxes {
            inbox.closed.store(true, Relaxed);
            inbox.board.set().into_iter().for_each(Waker::wake);
        }
    }
}

/// Sessions go on where their server does not wait for them: until they end, or the hub does.
impl Drop for Shards {
    fn drop(&mut self) {
        self.close();
        lock(&self.running).detach_all();
    }
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("shards", &self.inboxes.len())
            .finish_non_exhaustive()
    }
}

impl Inbox {
    fn new() -> Self {
        Self {
            board: Arc::new(Board::new()),
            newcomers: Mutex::default(),
            running: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }
}

impl Seat {
    /// Has the session go on there, over a socket that does not block.
    pub(crate) fn join(self, socket: std::net::TcpStream, parts: Parts) {
        self.send(socket, parts, None);
    }

    /// As [`join`](Self::join), behind a handshake; `input` is what came with it.
    pub(super) fn join_web_socket(
        self,
        socket: std::net::TcpStream,
        parts: Parts,
        mut dialog: Dialog,
        input: &[u8],
    ) {
        let channel = &parts.speaker.encoder.channels()[0];
        dialog.handle_input(input, Shared::now(), |data| {
            parts.hub.publish_said(channel, data);
        });
        self.send(socket, parts, Some(Box::new(dialog)));
    }

    fn send(self, socket: std::net::TcpStream, parts: Parts, dialog: Option<Box<Dialog>>) {
        let socket = TcpStream::from_std(socket);
        let (client, attachments) = Client::new(socket, parts, dialog.is_some());
        lock(&self.0.newcomers).push(Newcomer {
            client,
            dialog,
            attachments,
        });
        self.0.board.set().into_iter().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
