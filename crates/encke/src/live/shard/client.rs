//! One session in a shard, and its socket.

mod listen;
mod speak;

use self::speak::write_framed;
use super::{feed::Places, key::Key, rest::Rest, span::Spans};
use crate::{
    channel_log::Attachment,
    hub::Shared,
    live::{session::Parts, socket::Dialog, speaker::Speaker},
    log::Window,
};
use encke_proto::{Disconnect, Encoder, Output, Position};
use mio::net::TcpStream;
use slab::Slab;
use std::{
    io::{Error, ErrorKind},
    sync::Arc,
    time::Instant,
};

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

    /// Holds its hub to its limit.
    pub(super) fn trim(&self, now: Instant) {
        self.hub.trim(now);
    }

    /// The socket failed.
    fn fail(&mut self, error: &Error) -> Next {
        // The kernel may lose patience first: see `TCP_USER_TIMEOUT` in `serve/io.rs`.
        if error.kind() == ErrorKind::TimedOut {
            self.disconnect = Some(Disconnect::Stalled);
        }
        Next::Leave
    }

    fn is_to_end(&self, turn: &Turn) -> bool {
        turn.ends || self.hub.is_closing()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.counters.ended(self.disconnect);
        self.hub.left_shard();
    }
}
