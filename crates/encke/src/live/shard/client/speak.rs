//! What a client is told.

use super::{Busy, Client, Next, Turn};
use crate::live::{
    session::Goes,
    shard::{
        feed::Feeds,
        rest::{Rest, write, write_all},
    },
    socket::Dialog,
    speaker::going_away,
};
use encke_proto::{Disconnect, Output, ws::Phase};
use std::{
    io::Result,
    time::{Duration, Instant},
};

/// Writes of one client before others have their turn.
const WRITES_PER_TURN: usize = 4;

/// How long a client may take to hang up once everything was said.
const LINGER: Duration = Duration::from_secs(3);

/// The last chunk of a response.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Client {
    /// Writes what the turn's window has for it, or else everything between cursors and heads.
    pub(in crate::live::shard) fn read_window(
        &mut self,
        place: u8,
        feeds: &Feeds,
        turn: &mut Turn,
    ) -> Next {
        loop {
            let Some(cursor) = self.cursor(place) else {
                return Next::Wait;
            };
            match turn.window.after(cursor) {
                Some([]) if !self.is_to_end(turn) => return Next::Wait,
                Some(items @ [_, ..]) => {
                    let spans = &mut turn.spans;
                    let encoder = &self.speaker.encoder;
                    let Some(span) = spans.of(encoder, self.dialog.is_none(), cursor, items) else {
                        return self.speak(feeds, turn);
                    };
                    match write(&self.socket, span.bytes()) {
                        Err(error) => return self.fail(&error),
                        Ok(None) => {
                            self.block(&[], turn.now);
                            return Next::Wait;
                        }
                        Ok(Some(written)) => {
                            let place = usize::from(place);
                            self.speaker.session.advance(place, span.end(), turn.now);
                            if written < span.bytes().len() {
                                self.block(&span.bytes()[written..], turn.now);
                            }
                        }
                    }
                }
                _ => return self.speak(feeds, turn),
            }
        }
    }

    /// Writes everything between cursors and heads, as far as the socket takes it.
    pub(in crate::live::shard) fn speak(&mut self, feeds: &Feeds, turn: &mut Turn) -> Next {
        match self.try_speak(feeds, turn) {
            Ok(next) => next,
            Err(error) => self.fail(&error),
        }
    }

    fn try_speak(&mut self, feeds: &Feeds, turn: &mut Turn) -> Result<Next> {
        match self.busy.as_deref_mut() {
            None => {}
            Some(Busy::Lingering(_)) => return Ok(Next::Wait),
            Some(Busy::Blocked(rest)) => {
                if !rest.write(&self.socket, turn.now)? {
                    return Ok(Next::Wait);
                }
                self.busy = None;
                if self.has_said_all(turn) {
                    return self.linger(turn);
                }
            }
        }
        for _ in 0..WRITES_PER_TURN {
            self.say_next(feeds, turn);
            let all = self.has_said_all(turn);
            if turn.said.is_empty() && !all {
                if let Some(dialog) = self.dialog(turn) {
                    dialog.rest();
                }
                return Ok(Next::Wait);
            }
            let chunked = self.dialog.is_none();
            let mut output = Output::default();
            write_framed(&mut turn.said, chunked, &mut output);
            if chunked && all {
                output.buffer().extend_from_slice(LAST_CHUNK);
            }
            if let Some(rest) = write_all(&self.socket, output, turn.now)? {
                self.busy = Some(Box::new(Busy::Blocked(rest)));
                return Ok(Next::Wait);
            }
            if all {
                return self.linger(turn);
            }
        }
        Ok(Next::Again)
    }

    /// Puts what comes next behind `turn.said`.
    fn say_next(&mut self, feeds: &Feeds, turn: &mut Turn) {
        let Turn {
            now,
            ends,
            said,
            dialogs,
            ..
        } = turn;
        let Self {
            hub,
            speaker,
            places,
            ..
        } = self;
        let mut dialog = self.dialog.and_then(|key| dialogs.get_mut(key.index()));
        if let Some(dialog) = &mut dialog
            && dialog.control(said, *now) == Goes::Away
        {
            speaker.session.end();
        }
        let places = places.as_slice();
        let is_to_end = || *ends || hub.is_closing();
        let close = speaker.speak_until(
            hub,
            |channel| feeds.log(places[channel]),
            *now,
            is_to_end,
            said,
        );
        // Encoding may have taken the hub over its limit.
        hub.trim(*now);
        if speaker.session.is_ended() {
            if is_to_end() {
                self.disconnect = Some(Disconnect::Shutdown);
            }
            if let Some(dialog) = dialog {
                dialog.close(close.unwrap_or_else(going_away), said, *now);
            }
        }
    }

    /// Whether there is nothing left to say or to wait for.
    fn has_said_all(&self, turn: &mut Turn) -> bool {
        match self.dialog(turn) {
            None => self.speaker.session.is_ended(),
            Some(dialog) => matches!(dialog.phase(), Phase::Draining | Phase::Ended),
        }
    }

    fn block(&mut self, rest: &[u8], now: Instant) {
        let mut behind = Output::default();
        behind.buffer().extend_from_slice(rest);
        self.busy = Some(Box::new(Busy::Blocked(Rest::new(behind, now))));
    }

    /// Everything was said: the client hangs up, which shows that it has heard, unless it has
    /// already.
    fn linger(&mut self, turn: &mut Turn) -> Result<Next> {
        let is_lost = |dialog: &mut Dialog| dialog.phase() == Phase::Ended;
        if self.heard_all || self.dialog(turn).is_some_and(is_lost) {
            return Ok(Next::Leave);
        }
        self.busy = Some(Box::new(Busy::Lingering(turn.now + LINGER)));
        self.socket.shutdown(std::net::Shutdown::Write)?;
        Ok(Next::Wait)
    }
}

/// Moves what was said to `out`, as one chunk where that is asked for.
pub(super) fn write_framed(said: &mut Output, chunked: bool, out: &mut Output) {
    if said.is_empty() {
        return;
    }
    if chunked {
        let head = format!("{:x}\r\n", said.len());
        out.buffer().extend_from_slice(head.as_bytes());
    }
    while !said.is_empty() {
        out.share(said.take(usize::MAX));
    }
    if chunked {
        out.buffer().extend_from_slice(b"\r\n");
    }
}
