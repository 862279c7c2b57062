//! A connection of the bare loop. Idle it holds nothing but these bytes.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use super::channels::ChannelId;
use crate::poll::Poll;

/// What may wait for a client that does not read; then it is cut.
const UNSENT_LIMIT: usize = 64 << 20;

pub(super) struct Connection {
    socket: TcpStream,
    /// The beginning of a request or a frame.
    pub(super) carry: Vec<u8>,
    unsent: Vec<u8>,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// It sends requests.
    Http,
    /// It listens, and may close.
    Stream(ChannelId),
    /// It listens, and what it says is echoed.
    WebSocket(ChannelId),
}

impl Connection {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            carry: Vec::new(),
            unsent: Vec::new(),
            role: Role::Http,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Reads what is there; `None` if that is nothing, 0 at the end.
    pub(super) fn read(&self, into: &mut [u8]) -> Option<usize> {
        match (&self.socket).read(into) {
            Ok(length) => Some(length),
            Err(error) if would_block(&error) => None,
            Err(_) => Some(0),
        }
    }

    /// One write; what the socket does not take follows when it has room.
    pub(super) fn send(&mut self, bytes: &[u8], key: u64, poll: &Poll) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            if self.unsent.len() > UNSENT_LIMIT {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            return Ok(());
        }
        let sent = self.write(bytes)?;
        if sent < bytes.len() {
            self.unsent.extend_from_slice(&bytes[sent..]);
            poll.watch_room(&self.socket, key)?;
        }
        Ok(())
    }

    /// Sends on, now that there is room.
    pub(super) fn send_rest(&mut self, key: u64, poll: &Poll) -> io::Result<()> {
        let sent = self.write(&self.unsent)?;
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            poll.ignore_room(&self.socket, key)?;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if would_block(&error) => Ok(0),
            sent => sent,
        }
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
