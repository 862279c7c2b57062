//! What a socket has not taken yet.

use bytes::{Buf, Bytes};
use encke_proto::Output;
use mio::net::TcpStream;
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use std::{
    io::{ErrorKind, Result},
    time::Instant,
};

/// Most bytes given to the socket at once.
const PIECE: usize = 64 << 10;

/// Bytes behind which everything else waits.
#[derive(Debug)]
pub(super) struct Rest {
    first: Bytes,
    behind: Output,
    /// When the socket took something last.
    pub(super) since: Instant,
}

impl Rest {
    pub(super) fn new(behind: Output, now: Instant) -> Self {
        Self {
            first: Bytes::new(),
            behind,
            since: now,
        }
    }

    /// Writes what the socket takes; whether that was all.
    pub(super) fn write(&mut self, socket: &TcpStream, now: Instant) -> Result<bool> {
        loop {
            let Some(written) = write(socket, &self.first)? else {
                return Ok(false);
            };
            if written > 0 {
                self.since = now;
            }
            self.first.advance(written);
            if self.first.is_empty() {
                self.first = self.behind.take(PIECE);
            }
            if self.first.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// Writes all of `output`; what the socket does not take is given back.
pub(super) fn write_all(
    socket: &TcpStream,
    mut output: Output,
    now: Instant,
) -> Result<Option<Rest>> {
    loop {
        let mut piece = output.take(PIECE);
        while !piece.is_empty() {
            match write(socket, &piece)? {
                Some(written) => piece.advance(written),
                None => {
                    return Ok(Some(Rest {
                        first: piece,
                        behind: output,
                        since: now,
                    }));
                }
            }
        }
        if output.is_empty() {
            return Ok(None);
        }
    }
}

/// How much the socket took; `None` where it takes nothing for now.
///
/// By the system call itself: glibc's `send` first sees to it that the thread cannot be cancelled
/// there, which costs 1.5 % of a delivery.
pub(super) fn write(socket: &TcpStream, bytes: &[u8]) -> Result<Option<usize>> {
    if bytes.is_empty() {
        return Ok(Some(0));
    }
    loop {
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(Some(written)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
