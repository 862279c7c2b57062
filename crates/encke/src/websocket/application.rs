//! What an application and its client say to each other over one socket.

use super::{Talk, close_with::frame_for, incoming::Inlet, outgoing::Outbox};
use crate::BoxError;
use bytes::Bytes;
use encke_proto::{
    Output,
    ws::{CloseCode, CloseFrame, Connection, Event, Message, Phase, SendError},
};
use futures_util::future::BoxFuture;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// Most bytes of one write, and of frames behind which no further message is made one: a control
/// frame waits for no more than these.
const WRITE_SIZE: usize = 16 << 10;

/// Whether a message is compressed, where that was agreed on.
pub(super) type Compress = Arc<dyn Fn(&Message) -> bool + Send + Sync>;

/// What the application does with the socket. Its end is the socket's.
pub(super) type Application = BoxFuture<'static, Result<(), BoxError>>;

/// A socket of the application's own: messages go to its inlet, and come from its outbox.
pub(super) struct ApplicationSocket {
    connection: Connection,
    inlet: Box<dyn Inlet>,
    outbox: Arc<Outbox>,
    compress: Option<Compress>,
    application: Option<Application>,
    output: Output,
    /// The application has no room for more.
    paused: bool,
}

impl ApplicationSocket {
    pub(super) fn new(
        connection: Connection,
        inlet: Box<dyn Inlet>,
        outbox: Arc<Outbox>,
        compress: Option<Compress>,
        application: Option<Application>,
    ) -> Self {
        Self {
            connection,
            inlet,
            outbox,
            compress,
            application,
            output: Output::default(),
            paused: false,
        }
    }

    /// The application where it goes on without the socket.
    pub(super) fn into_application(self) -> Option<Application> {
        self.application
    }

    /// Tells the application what happened.
    fn tell(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Message(message) => {
                    if let Err(frame) = self.inlet.take(message) {
                        self.outbox.end_at_once(frame);
                    }
                }
                Event::Closed(closed) => {
                    self.outbox.abandon();
                    self.inlet.end(closed);
                }
            }
        }
    }

    fn poll_application(&mut self, cx: &mut Context<'_>) {
        let Some(future) = &mut self.application else {
            return;
        };
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => result,
            Err(_) => Err("the application panicked".into()),
        };
        self.application = None;
        self.outbox.end(Some(frame_for(result)));
    }

    /// Stops and goes on taking input, as the application has room for it.
    fn look_for_room(&mut self, cx: &mut Context<'_>, now: Instant) {
        let has_room = self.inlet.has_room(cx);
        if self.paused && has_room {
            self.connection.resume(now);
        } else if !self.paused && !has_room {
            self.connection.pause();
        }
        self.paused = !has_room;
    }

    fn transmit(&mut self, now: Instant) {
        if self.output.len() < WRITE_SIZE {
            self.connection.poll_transmit(&mut self.output, now);
        }
    }

    /// Control frames first.
    fn fill(&mut self, now: Instant) {
        self.transmit(now);
        while self.output.len() < WRITE_SIZE {
            let Some(message) = self.outbox.pop() else {
                return;
            };
            self.send(message, now);
        }
    }

    fn send(&mut self, message: Message, now: Instant) {
        let (connection, output) = (&mut self.connection, &mut self.output);
        let sent = match &self.compress {
            Some(compress) if message.is_data() => {
                let compress = compress(&message);
                connection.send_with(message, compress, output, now)
            }
            _ => connection.send(message, output, now),
        };
        match sent {
            Ok(()) => {}
            Err(SendError::Closed) => self.outbox.abandon(),
            Err(error) => {
                tracing::warn!(%error, "socket closed");
                let close = Message::Close(Some(CloseFrame::from(CloseCode::INTERNAL_ERROR)));
                // It can be sent, or the error had been another one.
                let _ = connection.send(close, output, now);
            }
        }
    }
}

impl Talk for ApplicationSocket {
    fn arm(&mut self, cx: &Context<'_>) {
        self.outbox.register(cx);
    }

    /// An answer that is ready goes before what comes behind the message it answers: that may be
    /// the end of sending.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.poll_application(cx);
        self.fill(now);
        self.look_for_room(cx, now);
    }

    fn wants_input(&self) -> bool {
        !self.paused || self.connection.phase() == Phase::Draining
    }

    /// Takes one message at most.
    fn handle_input(&mut self, input: &[u8], now: Instant) -> usize {
        let read = self.connection.handle_input(input, now);
        self.tell();
        self.transmit(now);
        read
    }

    fn handle_end(&mut self) {
        self.connection.handle_end();
        self.tell();
    }

    fn handle_failure(&mut self) {
        self.handle_end();
    }

    fn handle_shutdown(&mut self) {
        let frame = CloseFrame::from(CloseCode::GOING_AWAY);
        self.outbox.end(Some(frame));
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.connection.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        self.tell();
    }

    fn poll_bytes(&mut self, now: Instant) -> Bytes {
        self.fill(now);
        self.output.take(WRITE_SIZE)
    }

    fn take_more(&mut self) -> Bytes {
        self.output.take(WRITE_SIZE)
    }

    fn phase(&self) -> Phase {
        self.connection.phase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{Outgoing, Overflow, codec, incoming};
    use encke_proto::ws::Config;

    #[test]
    fn an_answer_to_a_ping_is_not_overtaken_by_messages_that_find_room_later() {
        let now = Instant::now();
        let outbox = Arc::new(Outbox::new(1 << 20, Overflow::Wait));
        let codec = Arc::new(codec::Binary);
        let (inlet, _incoming) = incoming::channel(codec.clone(), 1 << 10, outbox.clone());
        let outgoing = Outgoing::new(outbox.clone(), codec);
        let connection = Connection::server(Arc::new(Config::default()), None, now);
        let mut talk = ApplicationSocket::new(connection, Box::new(inlet), outbox, None, None);
        let mut cx = Context::from_waker(std::task::Waker::noop());

        assert!(outgoing.write(vec![0; WRITE_SIZE + 9]));
        talk.poll(&mut cx, now);
        // "a", masked with zeros.
        let ping = b"\x89\x81\0\0\0\0a";
        assert_eq!(talk.handle_input(ping, now), ping.len());
        assert!(outgoing.write(&b"kiki"[..]));
        let head_and_piece = [talk.poll_bytes(now), talk.poll_bytes(now)].concat();
        assert_eq!(head_and_piece.len(), 4 + WRITE_SIZE);
        // Woken for another reason, before the socket takes more.
        talk.poll(&mut cx, now);
        let rest = std::iter::from_fn(|| Some(talk.poll_bytes(now)).filter(|b| !b.is_empty()));
        let rest = rest.collect::<Vec<_>>().concat();
        assert_eq!(rest[9..], *b"\x8a\x01a\x82\x04kiki");
    }
}
