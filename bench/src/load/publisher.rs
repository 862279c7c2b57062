//! One who publishes: POSTs on one connection, pipelined where several go out together.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    path::Path,
};

use super::{
    Clock,
    stream::{Stream, Tls},
};
use crate::{
    BoxError,
    cli::PublishOpts,
    histogram::Histogram,
    http::{self, Url},
    stamp::{self, Stamp},
};

pub(super) struct Publisher {
    clock: Clock,
    writer: u32,
    stream: Stream,
    channels: Vec<Channel>,
    size: usize,
    unsent: Vec<u8>,
    /// When each that is not answered went out.
    unanswered: VecDeque<u64>,
    carry: Vec<u8>,
    sent: u64,
    /// From the publication to its answer.
    pub(super) latency: Histogram,
}

/// What is around the payload of a publication to a channel, and how many it had.
struct Channel {
    before: Vec<u8>,
    after: Vec<u8>,
    next: u64,
}

impl Publisher {
    pub(super) fn new(
        opts: &PublishOpts,
        writer: u32,
        channels: usize,
        clock: Clock,
        ca: Option<&Path>,
    ) -> Result<Self, BoxError> {
        let channels = (0..channels)
            .map(|channel| Channel::new(opts, channel))
            .collect::<Result<_, BoxError>>()?;
        let tls = ca.map(|ca| Tls::new(ca, "http/1.1")).transpose()?;
        let stream = Stream::connect(Url::parse(&opts.publish_url)?.address, tls.as_ref())?;
        stream.set_nonblocking()?;
        Ok(Self {
            clock,
            writer,
            stream,
            channels,
            size: opts.size,
            unsent: Vec::new(),
            unanswered: VecDeque::new(),
            carry: Vec::new(),
            sent: 0,
            latency: Histogram::new(),
        })
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// How many it has published.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether all of them were taken.
    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Publishes that many together, to one channel after another, which others begin elsewhere.
    pub(super) fn publish(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let number =
                ((self.sent + u64::from(self.writer)) % self.channels.len() as u64) as usize;
            let channel = &mut self.channels[number];
            let stamp = Stamp {
                channel: number as u32,
                writer: self.writer,
                sequence: channel.next,
                nanoseconds: self.clock.now(),
            };
            self.unsent.extend_from_slice(&channel.before);
            stamp.payload(self.size, &mut self.unsent);
            self.unsent.extend_from_slice(&channel.after);
            self.unanswered.push_back(stamp.nanoseconds);
            channel.next += 1;
            self.sent += 1;
        }
        self.flush()
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return self.stream.flush();
        }
        match self.stream.write(&self.unsent) {
            Ok(sent) => {
                self.unsent.drain(..sent);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads answers.
    pub(super) fn read(&mut self) -> Result<(), BoxError> {
        let mut scratch = [0; 64 << 10];
        match self.stream.read(&mut scratch) {
            Ok(0) => return Err("the server closed the publisher's connection".into()),
            Ok(length) => self.carry.extend_from_slice(&scratch[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut done = 0;
        while let Some((head, body)) = http::head(&self.carry[done..]) {
            if !matches!(http::status(head), Some(200..=299)) {
                let answer = String::from_utf8_lossy(&self.carry[done..]);
                return Err(format!("publication refused: {answer}").into());
            }
            let length = http::header(head, "content-length").unwrap_or("0");
            let end = done + body + length.parse::<usize>()?;
            if end > self.carry.len() {
                break;
            }
            done = end;
            let published = self.unanswered.pop_front();
            let published = published.ok_or("more answers than publications")?;
            self.latency.record(self.clock.now() - published);
        }
        self.carry.drain(..done);
        Ok(())
    }
}

impl Channel {
    fn new(opts: &PublishOpts, number: usize) -> Result<Self, BoxError> {
        let number = number.to_string();
        let Url { host, path, .. } = Url::parse(&opts.publish_url.replace("{channel}", &number))?;
        let body = opts.publish_body.replace("{channel}", &number);
        let (before, after) = body
            .split_once("{}")
            .ok_or("the body of publications has no {} for the payload")?;
        let length = before.len() + opts.size.max(stamp::LEN) + after.len();
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n");
        if opts.publish_headers.is_empty() {
            head.push_str("Content-Type: text/plain\r\n");
        }
        for header in &opts.publish_headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        Ok(Self {
            before: format!("{head}Content-Length: {length}\r\n\r\n{before}").into_bytes(),
            after: after.as_bytes().to_vec(),
            next: 0,
        })
    }
}
