//! Many subscribers on one connection: as much of RFC 9113 as that takes.

use std::io::{ErrorKind, Read, Write};

use super::{listener::Listener, request::Request, stream::Stream, tally::Tally};
use crate::BoxError;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kinds of frames that matter.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// What a window may be: no server ever waits for ours.
const WINDOW: u32 = (1 << 31) - 1;

/// How much a connection takes before its window is opened again.
const WINDOW_STEP: u32 = 1 << 28;

pub(super) struct Http2 {
    stream: Stream,
    /// By their order: that with the identifier 1 first, then 3, 5, …
    subscribers: Vec<Subscriber>,
    carry: Vec<u8>,
    taken: u32,
}

struct Subscriber {
    listener: Listener,
    open: bool,
    /// The beginning of a stamp.
    carry: Vec<u8>,
}

impl Http2 {
    /// Says hello, and asks for all of them.
    pub(super) fn open(mut stream: Stream, asked: &[(&Request, u32)]) -> Result<Self, BoxError> {
        let mut bytes = PREFACE.to_vec();
        // No dynamic table, no pushes, the widest windows.
        let settings = [(1_u16, 0), (2, 0), (4, WINDOW)];
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        frame(SETTINGS, 0, 0, &settings, &mut bytes);
        let more = WINDOW - u32::from(u16::MAX);
        frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes(), &mut bytes);
        for (number, (request, _)) in asked.iter().enumerate() {
            let flags = END_STREAM | END_HEADERS;
            let id = 2 * number as u32 + 1;
            frame(HEADERS, flags, id, &request.header_block(), &mut bytes);
        }
        stream.write_all(&bytes)?;
        stream.set_nonblocking()?;
        let subscribers = asked.iter().map(|(request, channel)| Subscriber {
            listener: Listener::new(*channel, request.offsets),
            open: false,
            carry: Vec::new(),
        });
        Ok(Self {
            stream,
            subscribers: subscribers.collect(),
            carry: Vec::new(),
            taken: 0,
        })
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How many are open and have got that much.
    pub(super) fn ready(&self, recovered: u64) -> usize {
        let all = self.subscribers.iter();
        all.filter(|subscriber| subscriber.open && subscriber.listener.next() >= recovered)
            .count()
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
        let mut bytes = std::mem::take(&mut self.carry);
        bytes.extend_from_slice(&scratch[..length]);
        let now = now();
        let mut answer = Vec::new();
        let mut done = 0;
        while let Some((head, payload)) = whole(&bytes[done..]) {
            done += 9 + payload.len();
            self.take(head, payload, tally, now, &mut answer)?;
        }
        bytes.drain(..done);
        self.carry = bytes;
        self.stream.write_all(&answer)?;
        Ok(())
    }

    fn take(
        &mut self,
        head: Head,
        payload: &[u8],
        tally: &mut Tally,
        now: u64,
        answer: &mut Vec<u8>,
    ) -> Result<(), BoxError> {
        let Head { kind, flags, id } = head;
        if kind == SETTINGS && flags & ACK == 0 {
            frame(SETTINGS, ACK, 0, &[], answer);
        }
        if kind == PING && flags & ACK == 0 {
            frame(PING, ACK, 0, payload, answer);
        }
        if kind == RESET || kind == GOAWAY {
            return Err("the server ended a stream".into());
        }
        if kind != DATA && kind != HEADERS {
            return Ok(());
        }
        if flags & (END_STREAM | PADDED) != 0 {
            return Err("the server ended a stream, or padded it".into());
        }
        let subscriber = self.subscribers.get_mut(id as usize / 2);
        let subscriber = subscriber.ok_or("the server answered what nobody asked")?;
        if kind == HEADERS {
            // The status 200 has a code of its own; before it may be a new size of the table.
            subscriber.open = payload.starts_with(&[0x88]) || payload.starts_with(&[0x20, 0x88]);
            return if subscriber.open {
                Ok(())
            } else {
                Err("refused: not a status of 200".into())
            };
        }
        subscriber.take(payload, tally, now);
        self.taken += payload.len() as u32;
        if self.taken >= WINDOW_STEP {
            frame(WINDOW_UPDATE, 0, 0, &self.taken.to_be_bytes(), answer);
            self.taken = 0;
        }
        Ok(())
    }
}

impl Subscriber {
    fn take(&mut self, bytes: &[u8], tally: &mut Tally, now: u64) {
        if self.carry.is_empty() {
            let done = self.listener.take(bytes, tally, now);
            self.carry.extend_from_slice(&bytes[done..]);
            return;
        }
        self.carry.extend_from_slice(bytes);
        let done = self.listener.take(&self.carry, tally, now);
        self.carry.drain(..done);
    }
}

#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u8,
    flags: u8,
    id: u32,
}

/// The frame at the beginning of `bytes`, if all of it is there.
fn whole(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let [a, b, c, kind, flags, id @ ..] = *bytes.first_chunk::<9>()?;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let payload = bytes.get(9..9 + length)?;
    let id = u32::from_be_bytes(id);
    Some((Head { kind, flags, id }, payload))
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    into.extend_from_slice(&[kind, flags]);
    into.extend_from_slice(&id.to_be_bytes());
    into.extend_from_slice(payload);
}
