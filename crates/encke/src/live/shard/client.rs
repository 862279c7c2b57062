//! One session in a shard, and its socket.

use super::{
    feed::{Feeds, Places},
    key::Key,
    rest::{Rest, write, write_all},
    span::Spans,
};
use crate::{
    channel_log::Attachment,
    hub::Shared,
    live::{
        session::{Goes, Parts},
        socket::Dialog,
        speaker::{Speaker, going_away},
    },
    log::Window,
};
use encke_proto::{Disconnect, Encoder, Output, Position, ws::Phase};
use mio::net::TcpStream;
use slab::Slab;
use std::{
    io::{Error, ErrorKind, Read, Result},
    sync::Arc,
    time::{Duration, Instant},
};

/// Writes of one client before others have their turn.
const WRITES_PER_TURN: usize = 4;

/// Reads of one client before others have their turn.
const READS_PER_TURN: usize = 16;

/// How long a client may take to hang up once everything was said.
const LINGER: Duration = Duration::from_secs(3);

/// The last chunk of a response.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A session and its socket. It is one of its hub's until it is dropped.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: TcpStream,
    hub: Arc<Shared>,
    speaker: Speaker,
    /// Of a WebSocket, among those of the shard; without one it is the chunks of a response.
    dialog: Option<Key>,
    pub(super) places: Places,
    /// `None` while the socket has taken everything.
    busy: Option<Box<Busy>>,
    /// Whether it is among those who speak in another turn.
    pub(super) is_queued: bool,
    /// Its bytes have ended, which is told once.
    heard_all: bool,
    /// Why it ends, where that is not the client's doing.
    disconnect: Option<Disconnect>,
}

/// Why a client is not written to.
#[derive(Debug)]
enum Busy {
    /// Its socket takes nothing for now.
    Blocked(Rest),
    /// Everything was said; until then it may hang up.
    Lingering(Instant),
}

/// What is to become of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for news, or for its socket.
    Wait,
    /// It has more to do, once others had their turn.
    Again,
    /// It is gone.
    Leave,
}

/// What a turn of the shard gives to each of its clients.
pub(super) struct Turn {
    pub(super) now: Instant,
    /// The server shuts down.
    pub(super) ends: bool,
    pub(super) window: Window,
    pub(super) spans: Spans,
    /// Of the WebSockets among the clients, which so take no memory apart.
    pub(super) dialogs: Slab<Dialog>,
    /// What one client is told next; empty between clients.
    pub(super) said: Output,
    pub(super) input: Box<[u8]>,
}

impl Client {
    /// The client of a session, and the places of that in the logs.
    pub(super) fn new(
        socket: TcpStream,
        parts: Parts,
        is_web_socket: bool,
    ) -> (Self, Box<[Attachment]>) {
        let Parts {
            hub,
            speaker,
            attachments,
            mut output,
        } = parts;
        let mut behind = Output::default();
        write_framed(&mut output, !is_web_socket, &mut behind);
        let busy =
            (!behind.is_empty()).then(|| Box::new(Busy::Blocked(Rest::new(behind, Shared::now()))));
        let client = Self {
            socket,
            hub,
            speaker,
            dialog: None,
            places: Places::none(),
            busy,
            is_queued: false,
            heard_all: false,
            disconnect: None,
        };
        (client, attachments)
    }

    pub(super) fn is_web_socket(&self) -> bool {
        self.dialog.is_some()
    }

    /// It is a WebSocket, whose dialog has this index.
    pub(super) fn talk(&mut self, dialog: usize) {
        self.dialog = Some(Key::new(dialog));
    }

    /// What it has to say besides its dialog, for [`settle`](super::settle).
    pub(super) fn encoder(&mut self) -> &mut Encoder {
        &mut self.speaker.encoder
    }

    fn dialog<'a>(&self, turn: &'a mut Turn) -> Option<&'a mut Dialog> {
        turn.dialogs.get_mut(self.dialog?.index())
    }

    /// Forgets what the shard has for it.
    pub(super) fn leave(&self, turn: &mut Turn) {
        if let Some(dialog) = self.dialog {
            drop(turn.dialogs.try_remove(dialog.index()));
        }
    }

    /// Where it stands in the channel of this place, if it can be written to and wants more.
    pub(super) fn cursor(&self, place: u8) -> Option<Position> {
        let is_free = self.busy.is_none() && self.speaker.session.is_live();
        is_free.then(|| self.speaker.session.positions()[usize::from(place)])
    }

    /// Writes what the turn's window has for it, or else everything between cursors and heads.
    pub(super) fn read_window(&mut self, place: u8, feeds: &Feeds, turn: &mut Turn) -> Next {
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
                    match write(&mut self.socket, span.bytes()) {
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
    pub(super) fn speak(&mut self, feeds: &Feeds, turn: &mut Turn) -> Next {
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
                if !rest.write(&mut self.socket, turn.now)? {
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
            if let Some(rest) = write_all(&mut self.socket, output, turn.now)? {
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

    /// Holds its hub to its limit.
    pub(super) fn trim(&self, now: Instant) {
        self.hub.trim(now);
    }

    /// Reads what the client sends, of which only a WebSocket's has something to say.
    pub(super) fn listen(&mut self, turn: &mut Turn) -> Next {
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
                self.hub.publish_if_open(channel, data);
            });
        }
    }

    /// The socket failed.
    fn fail(&mut self, error: &Error) -> Next {
        // The kernel may lose patience first: see `TCP_USER_TIMEOUT` in `serve/io.rs`.
        if error.kind() == ErrorKind::TimedOut {
            self.disconnect = Some(Disconnect::Stalled);
        }
        Next::Leave
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
    pub(super) fn check(&mut self, stall_limit: Duration, turn: &mut Turn) -> Next {
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

    fn is_to_end(&self, turn: &Turn) -> bool {
        turn.ends || self.hub.is_closing()
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

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.counters.ended(self.disconnect);
        self.hub.left_shard();
    }
}

/// Moves what was said to `out`, as one chunk where that is asked for.
fn write_framed(said: &mut Output, chunked: bool, out: &mut Output) {
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
