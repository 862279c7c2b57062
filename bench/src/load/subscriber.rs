//! One client over HTTP/1.1: what it makes of the bytes that come.

use std::io::{self, ErrorKind, Read, Write};

use super::{listener::Listener, request::Request, stream::Stream, tally::Tally};
use crate::{BoxError, http, ws};

pub(super) struct Subscriber {
    stream: Stream,
    listener: Listener,
    state: State,
    /// The beginning of a head, a frame or a stamp.
    carry: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The head of the response has not come.
    Opening,
    /// Stamps are looked for in whatever comes.
    Stream,
    /// Stamps are looked for in messages.
    WebSocket,
}

impl Subscriber {
    /// Asks.
    pub(super) fn open(mut stream: Stream, request: &Request, channel: u32) -> io::Result<Self> {
        stream.write_all(&request.bytes())?;
        stream.set_nonblocking()?;
        Ok(Self {
            stream,
            listener: Listener::new(channel, request.offsets),
            state: State::Opening,
            carry: Vec::new(),
        })
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether it is open and has got that much.
    pub(super) fn is_ready(&self, recovered: u64) -> bool {
        self.state != State::Opening && self.listener.next() >= recovered
    }

    /// Says something, over a WebSocket.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        let mut frame = Vec::new();
        ws::masked(ws::TEXT, text.as_bytes(), &mut frame);
        self.stream.write_all(&frame)
    }

    /// Reads once, and counts what came.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        tally: &mut Tally,
        now: impl FnOnce() -> u64,
    ) -> Result<(), BoxError> {
        let length = match self.stream.read(scratch) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("a connection broke: {error}").into()),
        };
        tally.bytes += length as u64;
        let bytes = &scratch[..length];
        if self.carry.is_empty() {
            let done = self.take(bytes, tally, now())?;
            self.carry.extend_from_slice(&bytes[done..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(bytes);
        let done = self.take(&joined, tally, now())?;
        if done < joined.len() {
            joined.drain(..done);
            self.carry = joined;
        }
        Ok(())
    }

    /// Takes what is whole; returns how much that was.
    fn take(&mut self, bytes: &[u8], tally: &mut Tally, now: u64) -> Result<usize, BoxError> {
        match self.state {
            State::Stream => Ok(self.listener.take(bytes, tally, now)),
            State::WebSocket => self.take_frames(bytes, tally, now),
            State::Opening => {
                let Some((head, body)) = http::head(bytes) else {
                    return Ok(0);
                };
                self.state = match http::status(head) {
                    Some(200) => State::Stream,
                    Some(101) => State::WebSocket,
                    _ => return Err(format!("refused: {}", http::first_line(head)).into()),
                };
                Ok(body + self.take(&bytes[body..], tally, now)?)
            }
        }
    }

    fn take_frames(
        &mut self,
        bytes: &[u8],
        tally: &mut Tally,
        now: u64,
    ) -> Result<usize, BoxError> {
        let mut done = 0;
        while let Some(frame) = ws::frame(&bytes[done..]) {
            done += frame.length;
            match frame.first {
                ws::PING => {
                    let mut pong = Vec::new();
                    ws::masked(ws::PONG, frame.payload, &mut pong);
                    self.stream.write_all(&pong)?;
                }
                ws::CLOSE => return Err("the server closed a WebSocket".into()),
                _ => {
                    self.listener.take(frame.payload, tally, now);
                }
            }
        }
        Ok(done)
    }
}
