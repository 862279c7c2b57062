//! The loop: accept, read, deliver, answer.

use std::{
    io,
    net::{TcpListener, TcpStream},
};

use rustix::net::{SocketFlags, accept_with};

use super::{
    channels::Channels,
    connection::{Connection, Role},
};
use crate::{
    BoxError,
    cli::LimitOpts,
    http,
    poll::{Events, Poll},
    transport::Transport,
    ws,
};

const LISTENER: u64 = u64::MAX;

/// What one read takes.
const READ: usize = 256 << 10;

pub(super) struct Server {
    transport: Transport,
    listener: TcpListener,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<u32>,
    channels: Channels,
    /// The answers to one read.
    reply: Vec<u8>,
}

impl Server {
    pub(super) fn new(listener: TcpListener, opts: &LimitOpts) -> Result<Self, BoxError> {
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER)?;
        Ok(Self {
            transport: opts.transport,
            listener,
            poll,
            connections: Vec::new(),
            free: Vec::new(),
            channels: Channels::new(opts.transport, opts.coalesce, opts.history),
            reply: Vec::new(),
        })
    }

    pub(super) fn serve(mut self) -> Result<(), BoxError> {
        let mut events = Events::new();
        let mut scratch = vec![0; READ];
        loop {
            self.poll.wait(&mut events, None)?;
            for ready in events.iter() {
                if ready.key == LISTENER {
                    self.accept()?;
                    continue;
                }
                let key = ready.key as u32;
                if ready.writable {
                    self.send_rest(key);
                }
                if ready.readable {
                    self.read(key, &mut scratch);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok(socket) = accept_with(&self.listener, flags) {
            let socket = TcpStream::from(socket);
            socket.set_nodelay(true)?;
            let key = self.free.pop().unwrap_or(self.connections.len() as u32);
            self.poll.add(&socket, key.into())?;
            let connection = Some(Connection::new(socket));
            match self.connections.get_mut(key as usize) {
                Some(place) => *place = connection,
                None => self.connections.push(connection),
            }
        }
        Ok(())
    }

    fn read(&mut self, key: u32, scratch: &mut [u8]) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        match connection.read(scratch) {
            None => {}
            Some(0) => self.drop_connection(key),
            Some(length) => {
                let carry = std::mem::take(&mut connection.carry);
                let role = connection.role;
                if carry.is_empty() {
                    self.handle(key, role, &scratch[..length]);
                } else {
                    let mut joined = carry;
                    joined.extend_from_slice(&scratch[..length]);
                    self.handle(key, role, &joined);
                }
                self.deliver();
                if !self.reply.is_empty() {
                    let reply = std::mem::take(&mut self.reply);
                    self.send(key, &reply);
                    self.reply = reply;
                    self.reply.clear();
                }
            }
        }
    }

    /// Handles what is whole, and keeps the rest for the next read.
    fn handle(&mut self, key: u32, role: Role, input: &[u8]) {
        let done = match role {
            Role::Http => self.requests(key, input),
            Role::Stream(_) => input.len(),
            Role::WebSocket(_) => echo(input, &mut self.reply),
        };
        if done < input.len()
            && let Some(connection) = self.connection(key)
        {
            connection.carry.extend_from_slice(&input[done..]);
        }
    }

    fn requests(&mut self, key: u32, input: &[u8]) -> usize {
        let mut done = 0;
        while let Some((head, body)) = http::head(&input[done..]) {
            let body = done + body;
            let Some(path) = head.split(|byte| *byte == b' ').nth(1) else {
                return input.len();
            };
            if !head.starts_with(b"POST ") {
                return body + self.subscribe(key, head, path, &input[body..]);
            }
            let length = http::header(head, "content-length");
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            let Some(message) = input.get(body..body + length) else {
                return done;
            };
            self.channels.publish(path, message);
            self.reply
                .extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            done = body + length;
        }
        done
    }

    /// Makes a subscriber of a connection; returns how much of what follows the head is done with.
    fn subscribe(&mut self, key: u32, head: &[u8], path: &[u8], rest: &[u8]) -> usize {
        let websocket = http::header(head, "sec-websocket-key").map(ws::accept);
        match &websocket {
            Some(accept) => self.reply.extend_from_slice(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                     connection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
                )
                .as_bytes(),
            ),
            None => self.reply.extend_from_slice(
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncache-control: no-cache\r\n\
                     transfer-encoding: chunked\r\n\r\n",
                    self.transport.media_type()
                )
                .as_bytes(),
            ),
        }
        // The query is the client's: whoever publishes has none.
        let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
        let channel = self.channels.subscribe(path, key, &mut self.reply);
        let Some(connection) = self.connection(key) else {
            return rest.len();
        };
        if websocket.is_some() {
            connection.role = Role::WebSocket(channel);
            echo(rest, &mut self.reply)
        } else {
            connection.role = Role::Stream(channel);
            rest.len()
        }
    }

    fn deliver(&mut self) {
        for (channel, bytes) in self.channels.take_pending() {
            let mut failed = Vec::new();
            for key in self.channels.subscribers(channel) {
                if let Some(Some(connection)) = self.connections.get_mut(*key as usize)
                    && connection.send(&bytes, (*key).into(), &self.poll).is_err()
                {
                    failed.push(*key);
                }
            }
            failed.into_iter().for_each(|key| self.drop_connection(key));
        }
    }

    fn send(&mut self, key: u32, bytes: &[u8]) {
        if let Some(Some(connection)) = self.connections.get_mut(key as usize)
            && connection.send(bytes, key.into(), &self.poll).is_err()
        {
            self.drop_connection(key);
        }
    }

    fn send_rest(&mut self, key: u32) {
        if let Some(Some(connection)) = self.connections.get_mut(key as usize)
            && connection.send_rest(key.into(), &self.poll).is_err()
        {
            self.drop_connection(key);
        }
    }

    fn drop_connection(&mut self, key: u32) {
        let Some(place) = self.connections.get_mut(key as usize) else {
            return;
        };
        let Some(connection) = place.take() else {
            return;
        };
        self.free.push(key);
        // Closing it would do too; a failure of this one shows in nothing.
        let _ = self.poll.remove(connection.socket());
        match connection.role {
            Role::Http => {}
            Role::Stream(channel) | Role::WebSocket(channel) => {
                self.channels.unsubscribe(channel, key);
            }
        }
    }

    fn connection(&mut self, key: u32) -> Option<&mut Connection> {
        self.connections.get_mut(key as usize)?.as_mut()
    }
}

/// Appends the answers to all frames that are whole; returns where the rest begins.
fn echo(input: &[u8], reply: &mut Vec<u8>) -> usize {
    let mut done = 0;
    while let Some(frame) = ws::frame(&input[done..]) {
        done += frame.length;
        let first = match frame.first {
            ws::PING => ws::PONG,
            ws::PONG => continue,
            other => other,
        };
        ws::head(first, frame.payload.len(), reply);
        let payload = reply.len();
        reply.extend_from_slice(frame.payload);
        if let Some(mask) = frame.mask {
            ws::apply_mask(&mut reply[payload..], mask);
        }
    }
    done
}
