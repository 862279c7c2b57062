//! What is said over one socket, apart from how its bytes are moved.

use bytes::Bytes;
use encke_proto::ws::Phase;
use std::{task::Context, time::Instant};

/// One side of a conversation, without the socket: no IO, no timer, no clock of its own.
///
/// Whoever has the socket gives what it read to [`handle_input`](Self::handle_input), writes what
/// [`poll_bytes`](Self::poll_bytes) has until that is nothing, and calls
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout). It goes on as
/// [`phase`](Self::phase) says. [`Driver`](super::Driver) is one who does.
pub(crate) trait Talk {
    /// The task is at work: has it woken when there is something to say, from now on or at least
    /// from its next [`rest`](Self::rest) on.
    fn arm(&mut self, cx: &Context<'_>);

    /// Whether the task may sleep; if not, something has come up to be said.
    fn rest(&mut self, _: Instant) -> bool {
        true
    }

    /// Lets those speak who answer what was heard, where these have to be polled.
    fn poll(&mut self, _: &mut Context<'_>, _: Instant) {}

    /// Whether input is taken; if not, the task is woken when it is.
    fn wants_input(&self) -> bool {
        true
    }

    /// Takes what was read; gives how much of it. Behind it comes a [`poll`](Self::poll), and then
    /// the rest again.
    #[must_use = "what was not taken must be given again"]
    fn handle_input(&mut self, input: &[u8], now: Instant) -> usize;

    /// The peer's bytes have ended. Not the end yet where a Close is still to be answered: then it
    /// is said once more when everything was written.
    fn handle_end(&mut self);

    /// Nothing can be written any more.
    fn handle_failure(&mut self);

    /// The server is shutting down.
    fn handle_shutdown(&mut self) {}

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` for not at all.
    fn next_timeout(&self) -> Option<Instant>;

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);

    /// The next bytes to write, once those before are written; none where there is nothing to say.
    fn poll_bytes(&mut self, now: Instant) -> Bytes;

    /// What is already there to be written behind small bytes, in the same write.
    fn take_more(&mut self) -> Bytes {
        Bytes::new()
    }

    /// How far the conversation is. While [`Phase::Draining`], the writing half is shut down once
    /// everything is written.
    fn phase(&self) -> Phase;
}
