//! What an application and its client say to each other over one socket.

use super::{
    Talk,
    close_with::frame_for,
    incoming::Inlet,
    outgoing::{BATCH, Outbox},
};
use crate::BoxError;
use bytes::Bytes;
use encke_proto::{
    Output,
    ws::{CloseCode, CloseFrame, Closed, Connection, Event, Message, Phase, SendError},
};
use futures_util::future::BoxFuture;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// Bytes of frames behind which no further message is made one: a control frame waits for no more
/// than these and the last of them.
const WRITE_SIZE: usize = 16 << 10;

/// Messages shorter than this are copied behind their heads, which have so many bytes at most.
const SMALL: usize = 4 << 10;
const HEAD_SIZE: usize = 14;

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
    /// Bytes that were given to be written, until more are asked for.
    handed_over: usize,
    /// How much the client may say before the application is polled.
    room: usize,
    /// The application has no room for more.
    paused: bool,
    /// What ends it, to be told once what was heard before is answered.
    last: Option<Last>,
}

/// What is heard last.
enum Last {
    Closed(Closed),
    /// A message that the application does not take.
    Refused(CloseFrame),
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
            handed_over: 0,
            room: 0,
            paused: false,
            last: None,
        }
    }

    /// The application where it goes on without the socket.
    pub(super) fn into_application(self) -> Option<Application> {
        self.application
    }

    /// Hands on what was heard.
    fn hear(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Message(message) => match self.inlet.take(message) {
                    Ok(size) => self.room = self.room.saturating_sub(size),
                    Err(frame) => self.last = Some(Last::Refused(frame)),
                },
                // The end behind a message that is refused is that of the refusal.
                Event::Closed(closed) => self.last = Some(Last::Closed(closed)),
            }
        }
    }

    /// Tells the application of the end.
    fn end(&mut self) {
        match self.last.take() {
            None => {}
            Some(Last::Closed(closed)) => {
                self.outbox.abandon();
                self.inlet.end(closed);
            }
            Some(Last::Refused(frame)) => self.outbox.end_at_once(frame),
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
        let room = self.inlet.room(cx);
        let has_room = room > 0;
        if self.paused && has_room {
            self.connection.resume(now);
        } else if !self.paused && !has_room {
            self.connection.pause();
        }
        self.paused = !has_room;
        self.room = room.min(self.outbox.limit() / BATCH);
    }

    /// How much may be made frames before some of them are written.
    fn writable(&self) -> usize {
        WRITE_SIZE.saturating_sub(self.handed_over + self.output.len())
    }

    fn transmit(&mut self, now: Instant) {
        // The answer to a Close waits for those to what was said before it.
        if self.writable() > 0 && self.last.is_none() {
            self.connection.poll_transmit(&mut self.output, now);
        }
    }

    /// Control frames first.
    fn fill(&mut self, now: Instant) {
        self.transmit(now);
        while self.writable() > 0 {
            let messages = self.outbox.take(self.writable());
            if messages.is_empty() {
                return;
            }
            let joined = messages.iter().map(Message::len);
            let joined = joined.filter(|length| *length < SMALL);
            let joined = joined.map(|length| HEAD_SIZE + length).sum();
            self.output.buffer().reserve(joined);
            for message in messages {
                self.send(message, now);
            }
        }
    }

    fn send(&mut self, message: Message, now: Instant) {
        let (connection, output) = (&mut self.connection, &mut self.output);
        let compress = match &self.compress {
            Some(compress) if message.is_data() => compress(&message),
            _ => connection.compresses(&message),
        };
        let sent = match self.last {
            None => connection.send_with(message, compress, output, now),
            Some(_) => connection.answer_with(message, compress, output, now),
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
    fn arm(&mut self, _: &Context<'_>) {
        self.outbox.stay_awake();
    }

    fn rest(&mut self, cx: &Context<'_>, now: Instant) -> bool {
        // It is woken by the socket that takes what there is.
        if self.writable() == 0 || self.outbox.rest(cx) {
            return true;
        }
        self.fill(now);
        false
    }

    /// An answer that is ready goes before the end that was heard behind the message it answers.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.inlet.hand_on(cx);
        self.poll_application(cx);
        self.fill(now);
        if self.last.is_some() {
            self.end();
            self.fill(now);
        }
        self.look_for_room(cx, now);
    }

    fn wants_input(&self) -> bool {
        !self.paused || self.connection.phase() == Phase::Draining
    }

    /// Takes as many messages as there is room for, and one at least.
    fn handle_input(&mut self, input: &[u8], now: Instant) -> usize {
        let mut read = 0;
        loop {
            read += self.connection.handle_input(&input[read..], now);
            self.hear();
            self.transmit(now);
            if read == input.len() || self.room == 0 || self.last.is_some() {
                return read;
            }
        }
    }

    fn handle_end(&mut self) {
        self.connection.handle_end();
        self.hear();
        self.end();
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
        self.hear();
        self.end();
    }

    fn poll_bytes(&mut self, now: Instant) -> Bytes {
        self.handed_over = 0;
        self.fill(now);
        self.take_more()
    }

    /// However large: nothing goes between the bytes of a message.
    fn take_more(&mut self) -> Bytes {
        let bytes = self.output.take(usize::MAX);
        self.handed_over += bytes.len();
        bytes
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
        let head_and_payload = [talk.poll_bytes(now), talk.take_more()].concat();
        assert_eq!(head_and_payload.len(), 4 + WRITE_SIZE + 9);
        // Woken for another reason, before the socket takes more.
        talk.poll(&mut cx, now);
        let rest = std::iter::from_fn(|| Some(talk.poll_bytes(now)).filter(|b| !b.is_empty()));
        let rest = rest.collect::<Vec<_>>().concat();
        assert_eq!(rest, b"\x8a\x01a\x82\x04kiki");
    }
}
