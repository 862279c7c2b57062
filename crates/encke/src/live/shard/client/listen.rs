//! What a client says, and when it has said nothing for too long.

use super::{Busy, Client, Next, Turn};
use encke_proto::{Disconnect, ws::Phase};
use std::{
    io::{ErrorKind, Read},
    time::{Duration, Instant},
};

/// Reads of one client before others have their turn.
const READS_PER_TURN: usize = 16;

impl Client {
    /// Reads what the client sends, of which only a WebSocket's has something to say.
    pub(in crate::live::shard) fn listen(&mut self, turn: &mut Turn) -> Next {
        for _ in 0..READS_PER_TURN {
            match self.socket.read(&mut turn.input) {
                Ok(0) => return self.handle_end(turn),
                Ok(read) => self.handle_input(read, turn),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fail(&error),
            }
        }
        Next::Again
    }

    /// What a WebSocket's client said; of others nothing is expected.
    fn handle_input(&self, len: usize, turn: &mut Turn) {
        let Turn {
            input,
            dialogs,
            now,
            ..
        } = turn;
        let dialog = self.dialog.and_then(|key| dialogs.get_mut(key.index()));
        if let Some(dialog) = dialog {
            let channel = &self.speaker.encoder.channels()[0];
            dialog.handle_input(&input[..len], *now, |data| {
                self.hub.publish_said(channel, data);
            });
        }
    }

    /// The client's bytes have ended; a Close that it sent is still answered.
    fn handle_end(&mut self, turn: &mut Turn) -> Next {
        self.heard_all = true;
        let Some(dialog) = self.dialog(turn) else {
            return Next::Leave;
        };
        dialog.handle_end();
        match dialog.phase() {
            Phase::Ended => Next::Leave,
            _ => Next::Wait,
        }
    }

    /// What is due by the clock.
    pub(in crate::live::shard) fn check(&mut self, stall_limit: Duration, turn: &mut Turn) -> Next {
        let now = turn.now;
        let stall_limit = stall_limit.min(self.hub.config.stall_limit);
        match self.busy.as_deref() {
            Some(Busy::Blocked(rest))
                if now.saturating_duration_since(rest.since) >= stall_limit =>
            {
                self.disconnect = Some(Disconnect::Stalled);
                return Next::Leave;
            }
            Some(Busy::Lingering(until)) if *until <= now => return Next::Leave,
            Some(Busy::Lingering(_)) => return Next::Wait,
            None | Some(Busy::Blocked(_)) => {}
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut next = Next::Wait;
        if let Some(dialog) = self.dialog(turn)
            && is_due(dialog.next_timeout())
        {
            dialog.handle_timeout(now);
            if dialog.phase() == Phase::Ended {
                return Next::Leave;
            }
            next = Next::Again;
        }
        if self.busy.is_none() && is_due(self.speaker.session.next_timeout()) {
            next = Next::Again;
        }
        next
    }
}
