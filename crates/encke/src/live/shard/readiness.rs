//! Which sockets of a shard are ready, as a thing to be awaited in tokio.

use mio::{Events, Interest, Poll as Selector, Token, net::TcpStream};
use std::{
    io::{ErrorKind, Result},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::unix::AsyncFd;

/// Events taken at once.
const BATCH: usize = 1024;

/// A selector inside of tokio's own: its sockets cost tokio nothing.
///
/// Readiness is told once, when it begins.
pub(super) struct Readiness {
    selector: AsyncFd<Selector>,
}

impl Readiness {
    pub(super) fn new() -> Result<Self> {
        let selector = Selector::new()?;
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe; a selector keeps its one descriptor while it lives"
        )]
        let selector = AsyncFd::with_interest(selector, tokio::io::Interest::READABLE)?;
        Ok(Self { selector })
    }

    pub(super) fn events() -> Events {
        Events::with_capacity(BATCH)
    }

    pub(super) fn add(&self, socket: &mut TcpStream, key: usize) -> Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.selector
            .get_ref()
            .registry()
            .register(socket, Token(key), interest)
    }

    /// Puts the sockets that became ready in place of what `events` had.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, events: &mut Events) -> Poll<Result<()>> {
        let mut guard = ready!(self.selector.poll_read_ready_mut(cx))?;
        match guard.get_inner_mut().poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
            result => result?,
        }
        if events.iter().count() < BATCH {
            guard.clear_ready();
        }
        Poll::Ready(Ok(()))
    }
}
