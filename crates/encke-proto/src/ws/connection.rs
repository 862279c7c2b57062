//! One WebSocket after its handshake: what comes in, what goes out, and when.

mod event;
pub use event::{Closed, Event, Phase};

mod idle;
pub use idle::Idle;

mod sender;
use sender::Sender;
pub use sender::{MaskKeys, SendError};

mod timers;
use timers::{Due, Timers};

use super::{
    CloseCode, CloseFrame, Config, Message, Shared,
    config::KeepAlive,
    deflate::{Agreement, Window, WindowBits},
    frame::Opcode,
    reader::{Frame, Reader, Rules},
    violation::Violation,
};
use crate::Output;
use bytes::Bytes;
use std::{sync::Arc, time::Instant};

/// The state machine of one connection, of either role.
///
/// Give what the socket had to [`handle_input`](Self::handle_input) and what that did not read
/// again after [`poll_event`](Self::poll_event); then write what
/// [`poll_transmit`](Self::poll_transmit) and [`send`](Self::send) put out. At
/// [`next_timeout`](Self::next_timeout) call [`handle_timeout`](Self::handle_timeout), at the end
/// of the peer's bytes [`handle_end`](Self::handle_end). Go on as [`phase`](Self::phase) says.
///
/// ```
/// use encke_proto::{Output, ws::{Config, Connection, Event, Message}};
/// use std::{sync::Arc, time::Instant};
///
/// let now = Instant::now();
/// let mut server = Connection::server(Arc::new(Config::default()), None, now);
/// // "Hello", masked (RFC 6455, 5.7)
/// let input = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
/// assert_eq!(server.handle_input(&input, now), input.len());
/// assert_eq!(server.poll_event(), Some(Event::Message("Hello".into())));
///
/// let mut out = Output::default();
/// server.send("Hi".into(), &mut out, now)?;
/// assert_eq!(out.take(100), &b"\x81\x02Hi"[..]);
/// # Ok::<(), encke_proto::ws::SendError>(())
/// ```
///
/// While idle it owns no buffer.
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    /// With what window the peer's messages are inflated, where compression was agreed on.
    inflate: Option<WindowBits>,
    reader: Reader,
    sender: Sender,
    timers: Timers,
    phase: Phase,
    event: Option<Message>,
    /// Boxed as it comes once.
    closed: Option<Box<Closed>>,
    told: bool,
    /// What is sent next of itself.
    close: Option<Box<Option<CloseFrame>>>,
    pong: Option<Box<Bytes>>,
    keep_alive_due: bool,
}

impl Connection {
    /// The server's end, behind its handshake.
    pub fn server(config: Arc<Config>, deflate: Option<Agreement>, now: Instant) -> Self {
        let timers = Timers::new(&config, now);
        Self::with_timers(config, deflate, None, timers)
    }

    /// The client's end. `mask_keys` must give keys that nobody can foresee.
    pub fn client(
        config: Arc<Config>,
        deflate: Option<Agreement>,
        mask_keys: MaskKeys,
        now: Instant,
    ) -> Self {
        let timers = Timers::new(&config, now);
        Self::with_timers(config, deflate, Some(mask_keys), timers)
    }

    fn with_timers(
        config: Arc<Config>,
        deflate: Option<Agreement>,
        mask_keys: Option<MaskKeys>,
        timers: Timers,
    ) -> Self {
        let server = mask_keys.is_none();
        let sides = deflate.map(|agreed| {
            if server {
                (agreed.server, agreed.client)
            } else {
                (agreed.client, agreed.server)
            }
        });
        let receive = sides.map(|(_, receive)| receive);
        let window = receive
            .filter(|receive| receive.takeover)
            .map(|receive| Window::new(receive.inflate_window()));
        Self {
            inflate: receive.map(|receive| receive.inflate_window()),
            reader: Reader::new(window),
            sender: Sender::new(mask_keys, sides.map(|(send, _)| send), &config),
            timers,
            phase: Phase::Open,
            event: None,
            closed: None,
            told: false,
            close: None,
            pong: None,
            keep_alive_due: false,
            config,
        }
    }

    /// How far the connection is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether messages may be sent.
    pub fn can_send(&self) -> bool {
        self.phase == Phase::Open && self.close.is_none()
    }

    /// Whether messages are compressed where it pays.
    pub fn deflates(&self) -> bool {
        self.sender.deflates()
    }

    /// Reads what the peer sent, at most up to the end of one message; gives how much it read.
    ///
    /// It reads nothing as long as [`poll_event`](Self::poll_event) has something. What it did
    /// not read must be given again, before what comes after it.
    #[must_use = "what was not read must be given again"]
    pub fn handle_input(&mut self, input: &[u8], now: Instant) -> usize {
        if input.is_empty() || self.event.is_some() {
            return 0;
        }
        if !self.is_listening() {
            return input.len();
        }
        self.timers.heard(&self.config, now);
        match self.reader.read(input, &self.rules()) {
            Ok((read, None)) => read,
            Ok((read, Some(Frame::Message(message)))) => {
                self.handle_message(message, now);
                read
            }
            Ok((read, Some(Frame::Close(payload)))) => {
                match CloseFrame::read(&payload) {
                    Ok(frame) => self.handle_close(frame, now),
                    Err(violation) => self.fail(violation, now),
                }
                read
            }
            Err(violation) => {
                self.fail(violation, now);
                input.len()
            }
        }
    }

    /// The next thing to tell the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.event
            .take()
            .map(Event::Message)
            .or_else(|| self.closed.take().map(|closed| Event::Closed(*closed)))
    }

    /// Writes a message behind what is written already; a Close begins the end.
    ///
    /// Data is compressed where that was agreed on, it is long enough and becomes smaller.
    ///
    /// # Errors
    ///
    /// When a Close was sent or received, when the payload is too long for a control frame, or
    /// when the close code may not be sent. Nothing is written then.
    pub fn send(
        &mut self,
        message: Message,
        out: &mut Output,
        now: Instant,
    ) -> Result<(), SendError> {
        let compress = self.compresses(&message);
        self.send_with(message, compress, out, now)
    }

    /// Whether [`send`](Self::send) compresses the message where that was agreed on.
    pub fn compresses(&self, message: &Message) -> bool {
        message.len() >= self.sender.threshold()
    }

    /// Writes a message, compressed where that was agreed on only if `compress` says so.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        message: Message,
        compress: bool,
        out: &mut Output,
        now: Instant,
    ) -> Result<(), SendError> {
        if !self.can_send() {
            return Err(SendError::Closed);
        }
        self.emit(message, compress, out, now)
    }

    /// As [`send_with`](Self::send_with), also where a Close is about to be sent of itself: it goes
    /// behind what answers messages from before.
    ///
    /// # Errors
    ///
    /// When a Close was sent, or when this is one and a Close is about to be.
    pub fn answer_with(
        &mut self,
        message: Message,
        compress: bool,
        out: &mut Output,
        now: Instant,
    ) -> Result<(), SendError> {
        let is_open = self.phase == Phase::Open;
        if self.can_send() || is_open && !matches!(message, Message::Close(_)) {
            self.emit(message, compress, out, now)
        } else {
            Err(SendError::Closed)
        }
    }

    fn emit(
        &mut self,
        message: Message,
        compress: bool,
        out: &mut Output,
        now: Instant,
    ) -> Result<(), SendError> {
        match message {
            Message::Close(frame) => {
                if let Some(frame) = frame.as_ref().filter(|frame| !frame.code().is_sendable()) {
                    return Err(SendError::CloseCode(frame.code()));
                }
                self.phase = Phase::Closing;
                self.emit_close(frame, out, now);
            }
            Message::Text(_) | Message::Binary(_) => {
                self.timers.spoke(&self.config, now);
                self.sender.data(message, compress, out);
            }
            Message::Ping(payload) => self.sender.control(Opcode::Ping, payload, out)?,
            Message::Pong(payload) => self.sender.control(Opcode::Pong, payload, out)?,
        }
        Ok(())
    }

    /// Writes a message that others get too, deflated where this connection can read it.
    ///
    /// # Errors
    ///
    /// When a Close was sent or received.
    pub fn send_shared(
        &mut self,
        message: &Shared,
        out: &mut Output,
        now: Instant,
    ) -> Result<(), SendError> {
        if !self.can_send() {
            return Err(SendError::Closed);
        }
        self.timers.spoke(&self.config, now);
        self.sender.shared(message, out);
        Ok(())
    }

    /// Writes what the protocol itself has to say: a pong, a ping, the answer to a Close.
    ///
    /// Call it with room in `out`, and before [`send`](Self::send): control frames do not wait
    /// behind data that is not yet written.
    pub fn poll_transmit(&mut self, out: &mut Output, now: Instant) {
        if let Some(frame) = self.close.take() {
            self.phase = Phase::Draining;
            self.emit_close(*frame, out, now);
        }
        if self.phase != Phase::Open {
            return;
        }
        if let Some(payload) = self.pong.take() {
            self.sender.write(Opcode::Pong, &payload, out);
        }
        if std::mem::take(&mut self.keep_alive_due) {
            let opcode = match self.config.keep_alive {
                KeepAlive::Ping { .. } => Opcode::Ping,
                _ => Opcode::Pong,
            };
            self.sender.write(opcode, &[], out);
            self.timers.kept_alive(&self.config, now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` for not at all.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next().filter(|_| self.phase != Phase::Ended)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Ended {
            return;
        }
        match self.timers.take_due(now) {
            None => {}
            Some(Due::KeepAlive) => self.keep_alive_due = true,
            Some(Due::Lost) => self.lose("No answer to a ping"),
            Some(Due::Idle) => {
                let frame = CloseFrame::new(CloseCode::GOING_AWAY, "Idle for too long");
                self.tell(Closed::by_us(&frame));
                self.close_with(Some(frame), now);
            }
            Some(Due::Close) => self.lose("No answer to a Close"),
        }
    }

    /// The peer's bytes have ended, or the socket failed.
    ///
    /// A Close that is still to be answered is answered all the same: the peer may have closed its
    /// half only. Call it again where the bytes end while [`Phase::Draining`].
    pub fn handle_end(&mut self) {
        if self.close.is_none() {
            self.lose("Connection closed abnormally");
        }
    }

    /// From now on nothing is read until [`resume`](Self::resume): the peer is not asked for signs
    /// of life that would not be seen.
    pub fn pause(&mut self) {
        self.timers.pause();
    }

    /// Reading goes on.
    pub fn resume(&mut self, now: Instant) {
        self.timers.resume(&self.config, now);
    }

    fn rules(&self) -> Rules {
        Rules {
            masked: self.sender.is_server(),
            max_frame: self.config.max_frame,
            max_message: self.config.max_message,
            inflate: self.inflate,
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closing) && self.close.is_none()
    }

    fn handle_message(&mut self, message: Message, now: Instant) {
        match &message {
            // "It MAY elect to send a Pong frame for only the most recently processed Ping frame."
            // (RFC 6455, 5.5.3)
            Message::Ping(payload) => self.pong = Some(Box::new(payload.clone())),
            message if message.is_data() => self.timers.spoke(&self.config, now),
            _ => {}
        }
        self.event = Some(message);
    }

    fn handle_close(&mut self, frame: Option<CloseFrame>, now: Instant) {
        self.tell(Closed::by_peer(frame.as_ref()));
        if self.phase == Phase::Closing {
            self.phase = Phase::Draining;
        } else {
            self.close_with(frame, now);
        }
    }

    fn fail(&mut self, violation: Violation, now: Instant) {
        let frame = CloseFrame::from(violation);
        if self.phase == Phase::Closing {
            // Our Close is out: there is nothing left to say.
            self.phase = Phase::Draining;
            self.tell(Closed::lost(frame.reason()));
        } else {
            self.tell(Closed::by_us(&frame));
            self.close_with(Some(frame), now);
        }
    }

    /// Has a Close sent of itself, behind which nothing is awaited.
    fn close_with(&mut self, frame: Option<CloseFrame>, now: Instant) {
        self.close = Some(Box::new(frame));
        self.timers.close(&self.config, now);
        self.release();
    }

    fn emit_close(&mut self, frame: Option<CloseFrame>, out: &mut Output, now: Instant) {
        let (opcode, payload) = Message::Close(frame).into_parts();
        self.sender.write(opcode, &payload, out);
        self.timers.close(&self.config, now);
    }

    fn lose(&mut self, reason: &str) {
        self.phase = Phase::Ended;
        self.close = None;
        self.tell(Closed::lost(reason));
        self.release();
    }

    fn tell(&mut self, closed: Closed) {
        if !self.told {
            self.told = true;
            self.closed = Some(Box::new(closed));
        }
    }

    /// Gives back what an unfinished message holds.
    fn release(&mut self) {
        self.reader = Reader::new(None);
        self.pong = None;
        self.keep_alive_due = false;
    }
}

#[cfg(test)]
mod tests;
