//! WebSocket echo: every connection writes `depth` messages at once, and the next when all are back.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde::Serialize;

use super::{
    Clock,
    request::Request,
    usage::{Since, Usage},
};
use crate::{
    BoxError,
    cli::EchoOpts,
    histogram::Histogram,
    http,
    poll::{Events, Poll},
    ws,
};

/// How long it runs before it counts.
const WARM: u64 = 150_000_000;

/// What one read takes.
const READ: usize = 1 << 20;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: &'static str,
    name: String,
    connections: usize,
    depth: usize,
    size: usize,
    messages: u64,
    messages_per_second: f64,
    /// CPU seconds of the server per million messages.
    cpu_per_million: f64,
    /// Until all `depth` messages are back.
    p50_ms: f64,
    p99_ms: f64,
    #[serde(flatten)]
    usage: Usage,
}

struct Connection {
    socket: TcpStream,
    /// Bytes of the batch that are written, and bytes of the answer that are read.
    written: usize,
    read: usize,
    begun: u64,
}

/// What every connection writes, and what has to come back: the messages differ within a batch.
struct Batch {
    request: Vec<u8>,
    answer: Vec<u8>,
}

pub(super) fn run(opts: &EchoOpts) -> Result<Report, BoxError> {
    super::pin(&opts.server)?;
    let clock = Clock::start();
    let batch = Batch::new(opts.size, opts.depth);
    let poll = Poll::new()?;
    let mut connections = open(opts, &poll)?;
    let mut latency = Histogram::new();
    let mut messages = 0;
    let mut scratch = vec![0; READ];
    let mut events = Events::new();
    let mut since: Option<Since<'_>> = None;
    for (key, connection) in connections.iter_mut().enumerate() {
        connection.begin(&batch, clock, &poll, key as u64)?;
    }
    let mut ends = clock.now() + WARM;
    loop {
        if clock.now() >= ends {
            if since.is_some() {
                break;
            }
            since = Some(Since::now(&opts.server)?);
            latency.clear();
            messages = 0;
            ends = clock.now() + opts.seconds.as_nanos() as u64;
        }
        poll.wait(&mut events, Some(Duration::ZERO))?;
        for ready in events.iter() {
            let connection = &mut connections[ready.key as usize];
            if ready.writable {
                connection.write(&batch, &poll, ready.key)?;
            }
            if ready.readable && connection.read(&batch, &mut scratch)? {
                messages += opts.depth as u64;
                latency.record(clock.now() - connection.begun);
                connection.begin(&batch, clock, &poll, ready.key)?;
            }
        }
    }
    let usage = since.ok_or("no time to measure")?.usage()?;
    if messages == 0 {
        return Err("nothing came back".into());
    }
    Ok(Report {
        run: "echo",
        name: opts.server.name.clone(),
        connections: opts.connections,
        depth: opts.depth,
        size: opts.size,
        messages,
        messages_per_second: messages as f64 / usage.seconds,
        cpu_per_million: usage.server_cpu * 1e6 / messages as f64,
        p50_ms: latency.quantile(0.5),
        p99_ms: latency.quantile(0.99),
        usage,
    })
}

/// Opens them one after the other.
fn open(opts: &EchoOpts, poll: &Poll) -> Result<Vec<Connection>, BoxError> {
    let request = Request::web_socket(&opts.url, &[])?;
    let mut connections = Vec::new();
    for key in 0..opts.connections {
        let mut socket = TcpStream::connect(request.address())?;
        socket.set_nodelay(true)?;
        socket.write_all(&request.bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if http::status(&head) != Some(101) {
            return Err(format!("refused: {}", http::first_line(&head)).into());
        }
        socket.set_nonblocking(true)?;
        poll.add(&socket, key as u64)?;
        connections.push(Connection {
            socket,
            written: 0,
            read: 0,
            begun: 0,
        });
    }
    Ok(connections)
}

impl Connection {
    fn begin(&mut self, batch: &Batch, clock: Clock, poll: &Poll, key: u64) -> io::Result<()> {
        self.written = 0;
        self.read = 0;
        self.begun = clock.now();
        self.write_some(batch)?;
        if self.written < batch.request.len() {
            poll.watch_room(&self.socket, key)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch, poll: &Poll, key: u64) -> io::Result<()> {
        self.write_some(batch)?;
        if self.written == batch.request.len() {
            poll.ignore_room(&self.socket, key)?;
        }
        Ok(())
    }

    fn write_some(&mut self, batch: &Batch) -> io::Result<()> {
        match self.socket.write(&batch.request[self.written..]) {
            Ok(length) => self.written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads once, and compares; whether the whole batch is back.
    fn read(&mut self, batch: &Batch, scratch: &mut [u8]) -> Result<bool, BoxError> {
        let length = match self.socket.read(scratch) {
            Ok(0) => return Err("the server closed an echo".into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let expected = batch.answer.get(self.read..self.read + length);
        if expected != Some(&scratch[..length]) {
            return Err("an echo is not what was sent".into());
        }
        self.read += length;
        Ok(self.read == batch.answer.len())
    }
}

impl Batch {
    fn new(size: usize, depth: usize) -> Self {
        let mut batch = Self {
            request: Vec::new(),
            answer: Vec::new(),
        };
        for number in 0..depth {
            let mut message = format!("{number:>5} ").into_bytes();
            message.extend((b'a'..=b'z').cycle().take(size));
            message.truncate(size);
            ws::masked(ws::TEXT, &message, &mut batch.request);
            ws::head(ws::TEXT, size, &mut batch.answer);
            batch.answer.extend(message);
        }
        batch
    }
}
