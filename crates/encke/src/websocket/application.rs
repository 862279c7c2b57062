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
    ws::{
        CloseCode, CloseFrame, Closed, Connection, Event, Message, Phase, SendError,
        frame::{Head, Opcode},
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

/// Bytes of frames behind which no further message is made one: a control frame waits for no more
/// than these and the last of them.
const WRITE_SIZE: usize = 16 << 10;

/// Messages shorter than this are copied behind their heads.
const SMALL: usize = 4 << 10;

/// Whether a message is compressed, where that was agreed on.
pub(super) type Compress = Arc<dyn Fn(&Message) -> bool + Send + Sync>;

/// What the application does with the socket. Its end is the socket's.
pub(super) enum Application {
    /// It is dropped once the socket has ended and it has nothing ready.
    Flow(BoxFuture<'static, Result<(), BoxError>>),
    /// It goes on to its own end.
    Task(BoxFuture<'static, Result<(), BoxError>>),
}

impl Application {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let (Self::Flow(future) | Self::Task(future)) = self;
        future.as_mut().poll(cx)
    }

    /// What is left of it without the socket.
    pub(super) async fn finish(self) -> Result<(), BoxError> {
        match self {
            Self::Flow(future) => future.now_or_never().unwrap_or(Ok(())),
            Self::Task(future) => future.await,
        }
    }
}

/// A socket of the application's own: messages go to its inlet, and come from its outbox.
pub(super) struct ApplicationSocket<I> {
    connection: Connection,
    inlet: I,
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
    /// Nothing that the application says is sent any more, but what it has said already.
    ended: bool,
    /// The task that the outbox wakes.
    task: Option<Waker>,
    /// What ends it, to be told once what was heard before is answered.
    last: Option<Last>,
}

/// What is heard last.
enum Last {
    Closed(Closed),
    /// A message that the application does not take.
    Refused(CloseFrame),
}

impl<I: Inlet> ApplicationSocket<I> {
    pub(super) fn new(
        connection: Connection,
        inlet: I,
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
            ended: false,
            task: None,
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
        let Some(last) = self.last.take() else { return };
        self.ended = true;
        match last {
            Last::Closed(closed) => {
                self.outbox.abandon();
                self.inlet.end(closed);
            }
            Last::Refused(frame) => self.outbox.end_at_once(frame),
        }
    }

    fn poll_application(&mut self, cx: &mut Context<'_>) {
        let Some(application) = &mut self.application else {
            return;
        };
        let result = match catch_unwind(AssertUnwindSafe(|| application.poll(cx))) {
            Ok(Poll::Pending) if self.ended && matches!(application, Application::Flow(_)) => {
                Ok(())
            }
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
            let joined = joined.map(|length| Head::whole(Opcode::Text, length).size() + length);
            self.output.buffer().reserve(joined.sum());
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
            Err(SendError::Closed) => {
                self.outbox.abandon();
                self.ended = true;
            }
            Err(error) => {
                tracing::warn!(%error, "socket closed");
                let close = Message::Close(Some(CloseFrame::from(CloseCode::INTERNAL_ERROR)));
                // It can be sent, or the error had been another one.
                let _ = connection.send(close, output, now);
            }
        }
    }
}

impl<I: Inlet> Talk for ApplicationSocket<I> {
    fn arm(&mut self, cx: &Context<'_>) {
        self.outbox.stay_awake();
        if !self
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()))
        {
            self.task = Some(cx.waker().clone());
            self.outbox.driven_by(cx.waker());
        }
    }

    fn rest(&mut self, now: Instant) -> bool {
        // It is woken by the socket that takes what there is.
        if self.writable() == 0 || self.outbox.rest() {
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
            self.poll_application(cx);
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
        self.ended = true;
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
        let mut talk = ApplicationSocket::new(connection, inlet, outbox, None, None);
        let mut cx = Context::from_waker(Waker::noop());

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
