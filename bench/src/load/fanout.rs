//! Publish, and count what arrives at every subscriber.

use std::time::Instant;

use serde::Serialize;

use super::{
    Clock,
    crowd::{Crowd, PATIENCE, PUBLISHER, Size},
    publisher::Publisher,
    usage::{Since, Usage},
};
use crate::{
    BoxError,
    cli::FanoutOpts,
    poll::Events,
    process::{Memory, Process},
};

/// How often the server's memory is looked at.
const MEMORY_EVERY: u64 = 1_000_000_000;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: &'static str,
    name: String,
    transport: &'static str,
    subscribers: usize,
    channels: usize,
    stalled: usize,
    size: usize,
    /// Publications per second; `null` in the closed loop.
    rate: Option<f64>,
    burst: usize,
    published: u64,
    delivered: u64,
    lost: u64,
    again: u64,
    disordered: u64,
    damaged: u64,
    deliveries_per_second: f64,
    bytes_per_delivery: f64,
    /// CPU seconds of the server per million deliveries.
    cpu_per_million: Option<f64>,
    /// CPU microseconds of the server per publication, deliveries included.
    cpu_us_per_publication: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Until the publisher has its answer.
    answer_p50_ms: f64,
    answer_p99_ms: f64,
    resident_kib: u64,
    resident_max_kib: u64,
    #[serde(flatten)]
    usage: Usage,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Publishing, and not counting yet.
    Warm,
    /// No more publications, until all have arrived.
    WarmEnds,
    Measuring,
    MeasuringEnds,
}

struct Run<'a> {
    opts: &'a FanoutOpts,
    clock: Clock,
    crowd: Crowd,
    publisher: Publisher,
    /// How many had been published when measuring began.
    published_before: u64,
    /// Deliveries that the publications since the tally's restart should make.
    expected: u64,
    next_publication: u64,
    memory: Memory,
    memory_max: u64,
}

pub(super) fn run(opts: &FanoutOpts) -> Result<Report, BoxError> {
    super::pin(&opts.server)?;
    if opts.channels == 0 || !opts.subscribers.is_multiple_of(opts.channels) {
        return Err("every channel needs the same number of subscribers".into());
    }
    let clock = Clock::start();
    let size = Size {
        subscribers: opts.subscribers,
        channels: opts.channels,
        recovered: 0,
    };
    let mut crowd = Crowd::open(&opts.subscribe, &size, clock)?;
    crowd.stall(&opts.subscribe, opts.stalled)?;
    crowd.settle(opts.subscribe.settle)?;
    let publisher = Publisher::new(
        &opts.publish,
        0,
        opts.channels,
        clock,
        opts.subscribe.ca.as_deref(),
    )?;
    crowd.watch(publisher.stream(), PUBLISHER)?;
    let mut run = Run {
        opts,
        clock,
        crowd,
        publisher,
        published_before: 0,
        expected: 0,
        next_publication: 0,
        memory: Memory::default(),
        memory_max: 0,
    };
    let usage = run.measure()?;
    Ok(run.report(usage))
}

impl Run<'_> {
    fn measure(&mut self) -> Result<Usage, BoxError> {
        let server = self.opts.server.server_pid;
        let mut events = Events::new();
        let mut phase = Phase::Warm;
        self.next_publication = self.clock.now();
        let mut phase_ends = self.clock.now() + self.opts.warm.as_nanos() as u64;
        let mut next_memory = u64::MAX;
        let mut since = None;
        let mut last_event = Instant::now();
        loop {
            let now = self.clock.now();
            let quiet = self.is_quiet();
            match phase {
                Phase::Warm if now >= phase_ends => phase = Phase::WarmEnds,
                Phase::WarmEnds if quiet => {
                    phase = Phase::Measuring;
                    self.restart();
                    since = Some(Since::now(&self.opts.server)?);
                    let now = self.clock.now();
                    phase_ends = now + self.opts.seconds.as_nanos() as u64;
                    self.next_publication = now;
                    next_memory = now + MEMORY_EVERY;
                    continue;
                }
                Phase::Measuring if now >= phase_ends => phase = Phase::MeasuringEnds,
                Phase::MeasuringEnds if quiet => break,
                _ => {}
            }
            if matches!(phase, Phase::Warm | Phase::Measuring) {
                self.publish(now, quiet)?;
            }
            if now >= next_memory {
                next_memory += MEMORY_EVERY;
                let resident = server.map_or(0, |server| server.memory().resident);
                self.memory_max = self.memory_max.max(resident);
            }
            self.crowd
                .poll
                .wait(&mut events, Some(std::time::Duration::ZERO))?;
            let mut any = false;
            for ready in events.iter() {
                any = true;
                if ready.key == PUBLISHER {
                    self.publisher.read()?;
                } else {
                    self.crowd.read(ready.key)?;
                }
            }
            self.publisher.flush()?;
            if any {
                last_event = Instant::now();
            } else if !quiet && last_event.elapsed() > PATIENCE {
                let arrived = self.crowd.tally.delivered + self.crowd.tally.lost;
                self.crowd.tally.lost += self.expected.saturating_sub(arrived);
                break;
            }
        }
        let since = since.ok_or("what was published to warm up did not arrive")?;
        since.usage()
    }

    /// Begins to count.
    fn restart(&mut self) {
        self.published_before = self.publisher.sent();
        self.publisher.latency.clear();
        self.crowd.tally.restart();
        self.expected = 0;
        self.memory = self
            .opts
            .server
            .server_pid
            .map_or_else(Memory::default, Process::memory);
        self.memory_max = self.memory.resident;
    }

    /// Whether all that was published has arrived, and the publisher knows it.
    fn is_quiet(&self) -> bool {
        let tally = &self.crowd.tally;
        tally.delivered + tally.lost >= self.expected && self.publisher.is_answered()
    }

    fn publish(&mut self, now: u64, quiet: bool) -> Result<(), BoxError> {
        let burst = self.opts.burst;
        match self.opts.rate {
            None if quiet => self.publish_burst(burst),
            None => Ok(()),
            Some(rate) => {
                while now >= self.next_publication {
                    self.publish_burst(burst)?;
                    self.next_publication += (1e9 * burst as f64 / rate) as u64;
                }
                Ok(())
            }
        }
    }

    fn publish_burst(&mut self, burst: usize) -> Result<(), BoxError> {
        self.publisher.publish(burst)?;
        self.expected += (burst * (self.crowd.len() / self.opts.channels)) as u64;
        Ok(())
    }

    fn report(self, usage: Usage) -> Report {
        let Self { opts, crowd, .. } = self;
        let tally = crowd.tally;
        let published = self.publisher.sent() - self.published_before;
        let deliveries = tally.delivered as f64;
        Report {
            run: "fanout",
            name: opts.server.name.clone(),
            transport: opts.subscribe.transport.name(),
            subscribers: opts.subscribers,
            channels: opts.channels,
            stalled: opts.stalled,
            size: opts.publish.size,
            rate: opts.rate,
            burst: opts.burst,
            published,
            delivered: tally.delivered,
            lost: tally.lost,
            again: tally.again,
            disordered: tally.disordered,
            damaged: tally.damaged,
            deliveries_per_second: deliveries / usage.seconds,
            bytes_per_delivery: tally.bytes as f64 / deliveries.max(1.0),
            cpu_per_million: (deliveries > 0.0).then(|| usage.server_cpu * 1e6 / deliveries),
            cpu_us_per_publication: usage.server_cpu * 1e6 / published.max(1) as f64,
            p50_ms: tally.latency.quantile(0.5),
            p90_ms: tally.latency.quantile(0.9),
            p99_ms: tally.latency.quantile(0.99),
            max_ms: tally.latency.longest(),
            answer_p50_ms: self.publisher.latency.quantile(0.5),
            answer_p99_ms: self.publisher.latency.quantile(0.99),
            resident_kib: self.memory.resident / 1024,
            resident_max_kib: self.memory_max / 1024,
            usage,
        }
    }
}
