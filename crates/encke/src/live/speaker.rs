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
}

/// What a WebSocket says where the session ends and has not said how.
pub(crate) fn going_away() -> CloseFrame {
    CloseFrame::new(CloseCode::GOING_AWAY, "")
}

impl Speaker {
    pub(crate) fn new(session: Session, encoder: Encoder) -> Self {
        Self { session, encoder }
    }

    /// Writes everything between cursors and heads, up to a full write; nothing where there is
    /// none. `log` is the log of the channel with an index.
    ///
    /// Gives what a WebSocket closes with, where the session has ended with a gap.
    pub(crate) fn speak<'a>(
        &mut self,
        hub: &Shared,
        log: impl Fn(usize) -> &'a ChannelLog,
        now: Instant,
        out: &mut Output,
    ) -> Option<CloseFrame> {
        while out.len() < WRITE_SIZE {
            let read = |channel, cursor: &mut _| log(channel).read(cursor, now);
            let transmit = self.session.poll_transmit(now, read)?;
            let close = self.encode(transmit, hub, &log, out);
            if close.is_some() {
                return close;
            }
        }
        None
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
    ) -> Option<CloseFrame> {
        let close = self.speak(hub, &log, now, out);
        if close.is_some() || !out.is_empty() || !is_to_end() {
            return close;
        }
        self.session.handle_disconnect(Disconnect::Shutdown);
        self.speak(hub, &log, now, out)
    }

    fn encode<'a>(
        &mut self,
        transmit: Transmit<Arc<Item>>,
        hub: &Shared,
        log: impl Fn(usize) -> &'a ChannelLog,
        out: &mut Output,
    ) -> Option<CloseFrame> {
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
                    self.session.end();
                    return Some(close);
                }
                self.encoder.gap(channel, &gap, positions, out);
            }
            Transmit::Ping => self.encoder.ping(out),
            // A stream of HTTP says goodbye by ending.
            Transmit::Disconnect(_) => {}
        }
        None
    }
}
