//! One socket and its task: bytes from the socket to what is said over it, and back.
//!
//! Everything is the driver's own between two polls, so that dropping it loses nothing half done;
//! and it holds no buffer while there is nothing to read or write.

use super::Talk;
use crate::Shutdown;
use bytes::{Buf, Bytes, buf::Chain};
use encke_proto::ws::Phase;
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// Bytes read at once, into the stack: the longest message that is taken by default, and its head.
const READ_SIZE: usize = (64 << 10) + 14;

/// Bytes shorter than this are written together with those behind them: the head of a large frame.
const SMALL: usize = 4 << 10;

/// Reads in one poll, after which other tasks have their turn.
const READS_PER_POLL: usize = 32;

/// Moves the bytes of one socket until it has ended.
pub(crate) struct Driver<'a, IO, T> {
    io: IO,
    talk: &'a mut T,
    /// The shutdown of the server, until it has begun.
    shutdown: Option<(Shutdown, BoxFuture<'static, ()>)>,
    /// The task that the shutdown and the timer wake: they are not asked again by the same one.
    task: Option<Waker>,
    /// What was read and is not wanted yet.
    unread: Bytes,
    /// The peer's bytes have ended.
    heard_all: bool,
    /// What the socket has not taken yet.
    writing: Chain<Bytes, Bytes>,
    unflushed: bool,
    /// The writing half is shut down.
    shut: bool,
    stall_limit: Duration,
    /// While the socket takes nothing.
    stalls_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whether a client took what was written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Stalled,
}

impl<'a, IO: AsyncRead + AsyncWrite + Unpin, T: Talk> Driver<'a, IO, T> {
    /// A client may take nothing for `stall_limit` while there is something to write.
    pub(crate) fn new(
        io: IO,
        talk: &'a mut T,
        stall_limit: Duration,
        shutdown: Option<&Shutdown>,
    ) -> Self {
        Self {
            io,
            talk,
            shutdown: shutdown.map(|shutdown| (shutdown.clone(), shutdown.begun().boxed())),
            task: None,
            unread: Bytes::new(),
            heard_all: false,
            writing: Bytes::new().chain(Bytes::new()),
            unflushed: false,
            shut: false,
            stall_limit,
            stalls_at: None,
            timer: None,
        }
    }

    /// Runs until the socket has ended.
    pub(crate) async fn run(mut self) -> End {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let known = self
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()));
        if !known {
            self.task = Some(cx.waker().clone());
            self.timer = None;
        }
        self.poll_shutdown(cx, known);
        self.talk.arm(cx);
        let mut now = Instant::now();
        self.talk.poll(cx, now.into_std());
        for _ in 0..READS_PER_POLL {
            let more = self.poll_read(cx, now);
            if let Err(error) = self.write(cx, now) {
                tracing::debug!(%error, "socket ended");
                self.talk.handle_failure();
                return Poll::Ready(End::Closed);
            }
            if self.heard_all && self.shut {
                self.talk.handle_end();
            }
            let due = self.poll_timers(cx, now);
            if due {
                // Whoever is to hear of it does when this is polled again: what is due is written
                // first, and its answer awaited from then on.
                cx.waker().wake_by_ref();
            }
            if self.talk.phase() == Phase::Ended {
                return Poll::Ready(End::Closed);
            }
            if self.stalls_at.is_some_and(|at| at <= now) {
                self.talk.handle_failure();
                return Poll::Ready(End::Stalled);
            }
            if !more && !due && self.talk.rest(now.into_std()) {
                return Poll::Pending;
            }
            // An application may have taken its time.
            now = Instant::now();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>, known: bool) {
        if let Some((shutdown, begun)) = &mut self.shutdown
            && (!known || shutdown.has_begun())
            && begun.as_mut().poll(cx).is_ready()
        {
            self.shutdown = None;
            self.talk.handle_shutdown();
        }
    }

    /// Reads once. Says whether there may be more.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if !self.talk.wants_input() {
            return false;
        }
        if !self.unread.is_empty() {
            let unread = mem::take(&mut self.unread);
            let heard = self.hear(&unread, cx, now);
            self.unread = unread.slice(heard..);
            return true;
        }
        if self.heard_all {
            return false;
        }
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut space = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.io).poll_read(cx, &mut space) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                let input = space.filled();
                let heard = self.hear(input, cx, now);
                self.unread = Bytes::copy_from_slice(&input[heard..]);
            }
            Poll::Ready(_) => {
                self.heard_all = true;
                self.talk.handle_end();
            }
        }
        true
    }

    /// Gives how much of the input was taken.
    fn hear(&mut self, input: &[u8], cx: &mut Context<'_>, now: Instant) -> usize {
        let mut heard = 0;
        while heard < input.len() && self.talk.wants_input() {
            heard += self.talk.handle_input(&input[heard..], now.into_std());
            self.talk.poll(cx, now.into_std());
        }
        heard
    }

    /// Writes what there is, and has it watched how long the socket takes none of it.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        match self.poll_write(cx, now) {
            Poll::Ready(written) => {
                self.stalls_at = None;
                written
            }
            Poll::Pending => {
                let limit = self.stall_limit;
                self.stalls_at = self.stalls_at.or_else(|| now.checked_add(limit));
                Ok(())
            }
        }
    }

    /// Ready once the socket has taken everything.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        loop {
            if !self.writing.has_remaining() {
                self.writing = self.next_bytes(now);
            }
            if !self.writing.has_remaining() {
                break;
            }
            let written = ready!(self.poll_write_some(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.stalls_at = None;
            self.unflushed = true;
            self.writing.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.talk.phase() == Phase::Draining && !self.shut {
            // An error is the peer's being gone, which reading tells too.
            self.shut = Pin::new(&mut self.io).poll_shutdown(cx).is_ready();
        }
        Poll::Ready(Ok(()))
    }

    fn next_bytes(&mut self, now: Instant) -> Chain<Bytes, Bytes> {
        let bytes = self.talk.poll_bytes(now.into_std());
        let behind = match bytes.len() {
            1..SMALL => self.talk.take_more(),
            _ => Bytes::new(),
        };
        bytes.chain(behind)
    }

    fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let mut slices = [IoSlice::new(&[]); 2];
        match self.writing.chunks_vectored(&mut slices) {
            2 if io.is_write_vectored() => io.poll_write_vectored(cx, &slices),
            _ => io.poll_write(cx, &slices[0]),
        }
    }

    /// Does what is due, or else sees to it that the task is woken when something is.
    fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let timeout = self.talk.next_timeout().map(Instant::from_std);
        let Some(next) = timeout.into_iter().chain(self.stalls_at).min() else {
            return false;
        };
        if next <= now {
            self.talk.handle_timeout(now.into_std());
            return true;
        }
        // Every read moves the deadline: it is looked at again when an earlier one has passed.
        if let Some(timer) = &self.timer
            && timer.deadline() <= next
            && timer.deadline() > now
        {
            return false;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        timer.as_mut().reset(next);
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(next);
        }
        false
    }
}

#[cfg(test)]
mod tests;
