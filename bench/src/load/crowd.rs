//! Many subscribers and their sockets' readiness.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::{Clock, request::Request, subscriber::Subscriber, tally::Tally};
use crate::{
    BoxError,
    cli::SubscribeOpts,
    poll::{Events, Poll},
};

/// The key of the publisher, in the same poll.
pub(super) const PUBLISHER: u64 = u64::MAX;

/// Connections that ask at the same time.
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
    subscribers: Vec<Subscriber>,
    stalled: Vec<Subscriber>,
    scratch: Vec<u8>,
    pub(super) tally: Tally,
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
            subscribers: Vec::with_capacity(size.subscribers),
            stalled: Vec::new(),
            scratch: vec![0; READ],
            tally: Tally::new(),
        };
        let requests = (0..size.channels)
            .map(|channel| Request::new(opts, channel))
            .collect::<Result<Vec<_>, _>>()?;
        let mut events = Events::new();
        let mut open = 0;
        let mut last_opened = Instant::now();
        while open < size.subscribers {
            while crowd.subscribers.len() < size.subscribers.min(open + OPENING) {
                crowd.connect(&requests)?;
            }
            crowd
                .poll
                .wait(&mut events, Some(Duration::from_millis(100)))?;
            for ready in events.iter() {
                let was_ready = crowd.is_ready(ready.key, size.recovered);
                crowd.read(ready.key)?;
                if !was_ready && crowd.is_ready(ready.key, size.recovered) {
                    open += 1;
                    last_opened = Instant::now();
                    if let Some(hello) = &opts.hello {
                        let subscriber = &mut crowd.subscribers[ready.key as usize];
                        let channel = ready.key as usize % size.channels;
                        subscriber.say(&hello.replace("{channel}", &channel.to_string()))?;
                    }
                }
            }
            if last_opened.elapsed() > PATIENCE {
                return Err(format!("only {open} of {} opened", size.subscribers).into());
            }
        }
        Ok(crowd)
    }

    fn connect(&mut self, requests: &[Request]) -> Result<(), BoxError> {
        let number = self.subscribers.len();
        let channel = number % requests.len();
        let subscriber = Subscriber::open(&requests[channel], channel as u32)
            .map_err(|error| format!("connection {number} failed: {error}"))?;
        self.poll.add(subscriber.socket(), number as u64)?;
        self.subscribers.push(subscriber);
        Ok(())
    }

    fn is_ready(&self, key: u64, recovered: u64) -> bool {
        let subscriber = &self.subscribers[key as usize];
        subscriber.is_open() && subscriber.next() >= recovered
    }

    /// Opens some more, which read nothing after the head.
    pub(super) fn stall(&mut self, opts: &SubscribeOpts, count: usize) -> Result<(), BoxError> {
        let size = Size {
            subscribers: count,
            channels: 1,
            recovered: 0,
        };
        let stalled = Self::open(opts, &size, self.clock)?.subscribers;
        for subscriber in &stalled {
            set_socket_recv_buffer_size(subscriber.socket(), STALLED_BUFFER)?;
        }
        self.stalled = stalled;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// Reads what one has got.
    pub(super) fn read(&mut self, key: u64) -> Result<(), BoxError> {
        let clock = self.clock;
        self.subscribers[key as usize].read(&mut self.scratch, &mut self.tally, || clock.now())
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

    /// Has the next wait report the publisher, too.
    pub(super) fn watch(&self, publisher: &std::net::TcpStream) -> io::Result<()> {
        self.poll.add(publisher, PUBLISHER)
    }
}
