//! Many subscribers and their sockets' readiness.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::{
    Clock,
    http2::Http2,
    request::Request,
    stream::{Stream, Tls},
    subscriber::Subscriber,
    tally::Tally,
};
use crate::{
    BoxError,
    cli::SubscribeOpts,
    poll::{Events, Poll},
};

/// The key of the publisher, in the same poll; of several, the last.
pub(super) const PUBLISHER: u64 = u64::MAX;

/// Subscribers that ask at the same time.
const OPENING: usize = 128;

/// What one read takes.
const READ: usize = 256 << 10;

/// A server that does nothing for this long, while it should, has lost something.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// What the kernel may take for a client that does not read.
const STALLED_BUFFER: usize = 4 << 10;

pub(super) struct Crowd {
    clock: Clock,
    pub(super) poll: Poll,
    clients: Vec<Client>,
    /// How many subscribers these are.
    subscribers: usize,
    stalled: Vec<Client>,
    scratch: Vec<u8>,
    pub(super) tally: Tally,
}

/// A connection.
enum Client {
    One(Subscriber),
    Many(Http2),
}

/// How many, and what they wait for.
pub(super) struct Size {
    pub(super) subscribers: usize,
    pub(super) channels: usize,
    /// Publications that each has to get before it counts as open.
    pub(super) recovered: u64,
}

impl Crowd {
    /// Opens them all, [`OPENING`] at a time.
    pub(super) fn open(opts: &SubscribeOpts, size: &Size, clock: Clock) -> Result<Self, BoxError> {
        let mut crowd = Self {
            clock,
            poll: Poll::new()?,
            clients: Vec::with_capacity(size.subscribers),
            subscribers: 0,
            stalled: Vec::new(),
            scratch: vec![0; READ],
            tally: Tally::new(),
        };
        let requests = (0..size.channels)
            .map(|channel| Request::new(opts, channel))
            .collect::<Result<Vec<_>, _>>()?;
        let tls = opts.tls()?;
        let mut events = Events::new();
        let mut ready = 0;
        let mut last_ready = Instant::now();
        while ready < size.subscribers {
            while crowd.subscribers < size.subscribers.min(ready + OPENING) {
                let left = size.subscribers - crowd.subscribers;
                crowd.connect(
                    &requests,
                    opts.http2.map(|most| most.min(left)),
                    tls.as_ref(),
                )?;
            }
            crowd
                .poll
                .wait(&mut events, Some(Duration::from_millis(100)))?;
            for event in events.iter() {
                let before = crowd.ready(event.key, size.recovered);
                crowd.read(event.key)?;
                let opened = crowd.ready(event.key, size.recovered) - before;
                if opened > 0 {
                    ready += opened;
                    last_ready = Instant::now();
                    crowd.greet(event.key, opts, size.channels)?;
                }
            }
            if last_ready.elapsed() > PATIENCE {
                return Err(format!("only {ready} of {} opened", size.subscribers).into());
            }
        }
        Ok(crowd)
    }

    /// Opens a connection, for that many subscribers where it is HTTP/2.
    fn connect(
        &mut self,
        requests: &[Request],
        http2: Option<usize>,
        tls: Option<&Tls>,
    ) -> Result<(), BoxError> {
        let number = self.clients.len();
        let stream = Stream::connect(requests[0].address(), tls)
            .map_err(|error| format!("connection {number} failed: {error}"))?;
        let count = http2.unwrap_or(1);
        let asked: Vec<(&Request, u32)> = (self.subscribers..self.subscribers + count)
            .map(|subscriber| subscriber % requests.len())
            .map(|channel| (&requests[channel], channel as u32))
            .collect();
        let client = match http2 {
            Some(_) => Client::Many(Http2::open(stream, &asked)?),
            None => Client::One(Subscriber::open(stream, asked[0].0, asked[0].1)?),
        };
        self.poll.add(client.stream().socket(), number as u64)?;
        self.clients.push(client);
        self.subscribers += count;
        Ok(())
    }

    /// How many of a connection's subscribers are open and have got that much.
    fn ready(&self, key: u64, recovered: u64) -> usize {
        match &self.clients[key as usize] {
            Client::One(subscriber) => usize::from(subscriber.is_ready(recovered)),
            Client::Many(http2) => http2.ready(recovered),
        }
    }

    /// Says what a subscriber says first.
    fn greet(&mut self, key: u64, opts: &SubscribeOpts, channels: usize) -> io::Result<()> {
        let client = &mut self.clients[key as usize];
        if let (Client::One(subscriber), Some(hello)) = (client, &opts.hello) {
            let channel = key as usize % channels;
            subscriber.say(&hello.replace("{channel}", &channel.to_string()))?;
        }
        Ok(())
    }

    /// Opens some more, which read nothing after the head.
    pub(super) fn stall(&mut self, opts: &SubscribeOpts, count: usize) -> Result<(), BoxError> {
        let size = Size {
            subscribers: count,
            channels: 1,
            recovered: 0,
        };
        let stalled = Self::open(opts, &size, self.clock)?.clients;
        for client in &stalled {
            set_socket_recv_buffer_size(client.stream().socket(), STALLED_BUFFER)?;
        }
        self.stalled = stalled;
        Ok(())
    }

    /// How many subscribers there are that read.
    pub(super) fn len(&self) -> usize {
        self.subscribers
    }

    /// Reads what a connection has got.
    pub(super) fn read(&mut self, key: u64) -> Result<(), BoxError> {
        let now = || self.clock.now();
        let (scratch, tally) = (&mut self.scratch, &mut self.tally);
        match &mut self.clients[key as usize] {
            Client::One(subscriber) => subscriber.read(scratch, tally, now),
            Client::Many(http2) => http2.read(scratch, tally, now),
        }
    }

    /// Reads whatever comes for this long, asleep in between.
    pub(super) fn settle(&mut self, duration: Duration) -> Result<(), BoxError> {
        let end = Instant::now() + duration;
        let mut events = Events::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.poll.wait(&mut events, Some(left))?;
            for ready in events.iter() {
                self.read(ready.key)?;
            }
        }
    }

    /// Has the next wait report a publisher, too, under this key.
    pub(super) fn watch(&self, publisher: &Stream, key: u64) -> io::Result<()> {
        self.poll.add(publisher.socket(), key)
    }
}

impl Client {
    fn stream(&self) -> &Stream {
        match self {
            Self::One(subscriber) => subscriber.stream(),
            Self::Many(http2) => http2.stream(),
        }
    }
}
