//! One socket: what it says goes to the application, what the application says goes to it.
//!
//! Everything is the driver's own between two polls, so that dropping it loses nothing half done;
//! and it holds no buffer while there is nothing to read or write.

use super::{close_with::frame_for, incoming::Inlet, outgoing::Outbox};
use crate::{BoxError, Shutdown};
use bytes::{Buf, Bytes};
use encke_proto::{
    Output,
    ws::{CloseCode, CloseFrame, Connection, Event, Message, Phase},
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    mem::MaybeUninit,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// Bytes read at once, into the stack.
const READ: usize = 16 << 10;

/// Bytes written at once, which is also what a client has to take within the stall limit.
const PIECE: usize = 16 << 10;

/// Bytes of frames from which on no further message is made one.
const OUTPUT_LIMIT: usize = 16 << 10;

/// Reads in one poll, after which other tasks have their turn.
const READS_PER_POLL: usize = 32;

/// Whether a message is compressed, where that was agreed on.
pub(super) type Compress = Arc<dyn Fn(&Message) -> bool + Send + Sync>;

/// What the application does with the socket. Its end is the socket's.
pub(super) type Application = BoxFuture<'static, Result<(), BoxError>>;

/// What a driver needs.
pub(super) struct Driver<IO> {
    pub(super) io: IO,
    pub(super) connection: Connection,
    pub(super) inlet: Box<dyn Inlet>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) compress: Option<Compress>,
    pub(super) stall_limit: Duration,
    pub(super) shutdown: Option<Shutdown>,
}

/// Whether a client took what was written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Stalled,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    /// Runs until the socket has ended; `application` may go on.
    pub(super) async fn run(self, application: &mut Option<Application>) -> End {
        let mut running = Running {
            begun: self.shutdown.as_ref().map(|server| server.begun().boxed()),
            driver: self,
            output: Output::default(),
            writing: Bytes::new(),
            rest: Bytes::new(),
            paused: false,
            unflushed: false,
            shut: false,
            stalls_at: None,
            sleep: None,
        };
        std::future::poll_fn(|cx| running.poll(application, cx)).await
    }
}

struct Running<IO> {
    driver: Driver<IO>,
    begun: Option<BoxFuture<'static, ()>>,
    output: Output,
    /// What the socket is given.
    writing: Bytes,
    /// What was read and waits for the application to make room.
    rest: Bytes,
    /// The application has no room.
    paused: bool,
    unflushed: bool,
    /// The writing half is shut down.
    shut: bool,
    /// While the socket takes nothing.
    stalls_at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Running<IO> {
    fn poll(&mut self, application: &mut Option<Application>, cx: &mut Context<'_>) -> Poll<End> {
        self.driver.outbox.register(cx);
        for _ in 0..READS_PER_POLL {
            let now = Instant::now();
            self.poll_shutdown(cx);
            let more = self.poll_read(application, cx, now);
            self.poll_application(application, cx);
            self.poll_write(cx, now);
            let due = self.poll_timers(cx, now);
            self.tell();
            if self.phase() == Phase::Ended {
                return Poll::Ready(End::Closed);
            }
            if due && self.stalls_at.is_some_and(|at| at <= now) {
                self.driver.connection.handle_end();
                self.tell();
                return Poll::Ready(End::Stalled);
            }
            if !more && !due {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn phase(&self) -> Phase {
        self.driver.connection.phase()
    }

    /// Reads once. Says whether there may be more.
    fn poll_read(
        &mut self,
        application: &mut Option<Application>,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> bool {
        if self.paused && self.phase() != Phase::Draining {
            if !self.driver.inlet.has_room(cx) {
                return false;
            }
            self.paused = false;
            self.driver.connection.resume(now.into_std());
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.handle_input(&rest, application, cx, now);
            return true;
        }
        let mut space = [MaybeUninit::uninit(); READ];
        let mut space = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.driver.io).poll_read(cx, &mut space) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                self.handle_input(space.filled(), application, cx, now);
            }
            Poll::Ready(_) => self.driver.connection.handle_end(),
        }
        true
    }

    fn handle_input(
        &mut self,
        mut input: &[u8],
        application: &mut Option<Application>,
        cx: &mut Context<'_>,
        now: Instant,
    ) {
        while !input.is_empty() {
            let read = self.driver.connection.handle_input(input, now.into_std());
            input = &input[read..];
            self.tell();
            self.transmit(now);
            if !input.is_empty() {
                // What comes behind a message may be the end of sending, so answer it first.
                self.poll_application(application, cx);
                self.fill(now);
            }
            if !self.driver.inlet.has_room(cx) && self.phase() != Phase::Draining {
                self.paused = true;
                self.driver.connection.pause();
                self.rest = Bytes::copy_from_slice(input);
                return;
            }
        }
    }

    /// Tells the application what happened.
    fn tell(&mut self) {
        while let Some(event) = self.driver.connection.poll_event() {
            match event {
                Event::Message(message) => {
                    if let Err(frame) = self.driver.inlet.take(message) {
                        self.driver.outbox.abandon();
                        self.send(Message::Close(Some(frame)), Instant::now());
                    }
                }
                Event::Closed(closed) => {
                    self.driver.outbox.abandon();
                    self.driver.inlet.end(closed);
                }
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) {
        if let Some(begun) = &mut self.begun
            && begun.as_mut().poll(cx).is_ready()
        {
            self.begun = None;
            let frame = CloseFrame::from(CloseCode::GOING_AWAY);
            self.driver.outbox.end(Some(frame));
        }
    }

    fn poll_application(&mut self, application: &mut Option<Application>, cx: &mut Context<'_>) {
        let Some(future) = application else {
            return;
        };
        let polled = AssertUnwindSafe(|| future.as_mut().poll(cx));
        let result = match std::panic::catch_unwind(polled) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => result,
            Err(_) => Err("the application panicked".into()),
        };
        *application = None;
        self.driver.outbox.end(Some(frame_for(result)));
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            self.transmit(now);
            self.fill(now);
            if self.writing.is_empty() {
                self.writing = self.output.take(PIECE);
            }
            if self.writing.is_empty() {
                break;
            }
            match Pin::new(&mut self.driver.io).poll_write(cx, &self.writing) {
                Poll::Pending => return self.waits(now),
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.stalls_at = None;
                    self.unflushed = true;
                    self.writing.advance(written);
                }
                Poll::Ready(_) => return self.driver.connection.handle_end(),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.driver.io).poll_flush(cx) {
                Poll::Pending => return self.waits(now),
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return self.driver.connection.handle_end(),
            }
        }
        self.stalls_at = None;
        if self.phase() == Phase::Draining && !self.shut {
            // An error is the peer's being gone, which reading tells too.
            self.shut = Pin::new(&mut self.driver.io).poll_shutdown(cx).is_ready();
        }
    }

    fn waits(&mut self, now: Instant) {
        self.stalls_at.get_or_insert(now + self.driver.stall_limit);
    }

    /// Control frames first.
    fn transmit(&mut self, now: Instant) {
        if self.output.len() < OUTPUT_LIMIT {
            let now = now.into_std();
            self.driver.connection.poll_transmit(&mut self.output, now);
        }
    }

    fn fill(&mut self, now: Instant) {
        while self.output.len() < OUTPUT_LIMIT {
            let Some(message) = self.driver.outbox.pop() else {
                return;
            };
            self.send(message, now);
        }
    }

    fn send(&mut self, message: Message, now: Instant) {
        let Driver {
            connection,
            compress,
            ..
        } = &mut self.driver;
        let now = now.into_std();
        let sent = match compress {
            Some(compress) if message.is_data() => {
                let compress = compress(&message);
                connection.send_with(message, compress, &mut self.output, now)
            }
            _ => connection.send(message, &mut self.output, now),
        };
        match sent {
            Ok(()) => {}
            Err(encke_proto::ws::SendError::Closed) => self.driver.outbox.abandon(),
            Err(error) => {
                tracing::warn!(%error, "socket closed");
                let frame = CloseFrame::from(CloseCode::INTERNAL_ERROR);
                let close = Message::Close(Some(frame));
                // It can be sent, or the error had been another one.
                let _ = connection.send(close, &mut self.output, now);
            }
        }
    }

    /// Does what is due, or else sees to it that the task is woken when something is.
    fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let timeout = self.driver.connection.next_timeout();
        let timeout = timeout.map(Instant::from_std);
        let Some(next) = timeout.into_iter().chain(self.stalls_at).min() else {
            return false;
        };
        if next <= now {
            self.driver.connection.handle_timeout(now.into_std());
            return true;
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        // Every read moves the deadline: it is looked at again when an earlier one has passed.
        if sleep.deadline() > next {
            sleep.as_mut().reset(next);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            sleep.as_mut().reset(next);
        }
        false
    }
}
