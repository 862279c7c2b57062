//! What one client is told next, as the bytes of its transport.
//!
//! Whoever holds it has the logs, the socket and the time.

use crate::{channel_log::ChannelLog, hub::Shared, log::Item};
use encke_proto::{
    Disconnect, Encoder, Output, Session, Transmit,
    ws::{CloseCode, CloseFrame},
};
use std::{sync::Arc, time::Instant};

/// Most bytes of one write. A client that takes one within the stall limit is slow, not stalled.
pub(crate) const WRITE_SIZE: usize = 16 << 10;

/// A session and its encoder.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) session: Session,
    pub(crate) encoder: Encoder,
    /// What a WebSocket says in the end, where that is not the server's going away.
    close: Option<Box<CloseFrame>>,
}

impl Speaker {
    pub(crate) fn new(session: Session, encoder: Encoder) -> Self {
        Self {
            session,
            encoder,
            close: None,
        }
    }

    /// Writes everything between cursors and heads, up to a full write; nothing where there is
    /// none. `log` is the log of the channel with an index.
    pub(crate) fn speak<'a>(
        &mut self,
        hub: &Shared,
        log: impl Fn(usize) -> &'a ChannelLog,
        now: Instant,
        out: &mut Output,
    ) {
        while out.len() < WRITE_SIZE {
            let read = |channel, cursor: &mut _| log(channel).read(cursor, now);
            let Some(transmit) = self.session.poll_transmit(now, read) else {
                return;
            };
            self.encode(transmit, hub, &log, out);
        }
    }

    /// As [`speak`](Self::speak), and then the end, if hub or server are shutting down.
    ///
    /// `is_to_end` is asked after the logs' locks were held: the shutdown sets its marks under
    /// them.
    pub(crate) fn speak_until<'a>(
        &mut self,
        hub: &Shared,
        log: impl Fn(usize) -> &'a ChannelLog,
        now: Instant,
        is_to_end: impl FnOnce() -> bool,
        out: &mut Output,
    ) {
        self.speak(hub, &log, now, out);
        if out.is_empty() && is_to_end() {
            self.session.handle_disconnect(Disconnect::Shutdown);
            self.speak(hub, &log, now, out);
        }
    }

    /// What a WebSocket says when the session has ended by itself.
    pub(crate) fn close_frame(&self) -> CloseFrame {
        let close = self.close.as_deref().cloned();
        close.unwrap_or_else(|| CloseFrame::new(CloseCode::GOING_AWAY, ""))
    }

    fn encode<'a>(
        &mut self,
        transmit: Transmit<Arc<Item>>,
        hub: &Shared,
        log: impl Fn(usize) -> &'a ChannelLog,
        out: &mut Output,
    ) {
        let positions = self.session.positions();
        match transmit {
            Transmit::Opened => self.encoder.opened(positions, out),
            Transmit::Publication {
                channel,
                publication: item,
            } => {
                let encoded = item.encoded(self.encoder.framing(), log(channel).channel());
                let publication = item.publication();
                self.encoder
                    .publication(channel, publication, encoded, positions, out);
            }
            Transmit::Gap { channel, gap } => {
                hub.counters.gap();
                if let Some(close) = self.encoder.gap_close(&gap) {
                    self.close = Some(Box::new(close));
                    self.session.end();
                } else {
                    self.encoder.gap(channel, &gap, positions, out);
                }
            }
            Transmit::Ping => self.encoder.ping(out),
            // A stream of HTTP says goodbye by ending.
            Transmit::Disconnect(_) => {}
        }
    }
}
