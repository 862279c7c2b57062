//! Publish from several connections at once, and check that all of it arrives.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    Clock,
    crowd::{Crowd, PATIENCE, PUBLISHER, Size},
    publisher::Publisher,
    usage::{Since, Usage},
};
use crate::{BoxError, cli::WritersOpts, histogram::Histogram, poll::Events};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: &'static str,
    name: String,
    transport: &'static str,
    writers: u32,
    channels: usize,
    size: usize,
    published: u64,
    delivered: u64,
    lost: u64,
    again: u64,
    disordered: u64,
    damaged: u64,
    publications_per_second: f64,
    /// CPU microseconds of the server per publication.
    cpu_us_per_publication: f64,
    /// Until a subscriber has it.
    p50_ms: f64,
    p99_ms: f64,
    /// Until the publisher has its answer.
    answer_p50_ms: f64,
    answer_p99_ms: f64,
    #[serde(flatten)]
    usage: Usage,
}

struct Run<'a> {
    opts: &'a WritersOpts,
    crowd: Crowd,
    writers: Vec<Publisher>,
    /// How many had been published, and lost, when measuring began.
    before: (u64, u64),
}

pub(super) fn run(opts: &WritersOpts) -> Result<Report, BoxError> {
    super::pin(&opts.server)?;
    let clock = Clock::start();
    let size = Size {
        subscribers: opts.channels,
        channels: opts.channels,
        recovered: 0,
    };
    let mut crowd = Crowd::open(&opts.subscribe, &size, clock)?;
    crowd.settle(opts.subscribe.settle)?;
    let ca = opts.subscribe.ca.as_deref();
    let writers = (0..opts.writers)
        .map(|writer| Publisher::new(&opts.publish, writer, opts.channels, clock, ca));
    let writers = writers.collect::<Result<Vec<_>, _>>()?;
    for (number, writer) in writers.iter().enumerate() {
        crowd.watch(writer.stream(), PUBLISHER - number as u64)?;
    }
    let mut run = Run {
        opts,
        crowd,
        writers,
        before: (0, 0),
    };
    let arrives = run.publish_for(opts.warm)?;
    if !arrives {
        return Err("what was published to warm up did not arrive".into());
    }
    run.restart();
    let since = Since::now(&opts.server)?;
    let arrives = run.publish_for(opts.seconds)?;
    let usage = since.usage()?;
    if !arrives {
        run.crowd.tally.lost += run.under_way();
    }
    Ok(run.report(usage))
}

impl Run<'_> {
    /// Has everyone publish for that long; returns once all has arrived, or false where nothing more
    /// comes.
    fn publish_for(&mut self, duration: Duration) -> Result<bool, BoxError> {
        let mut events = Events::new();
        let end = Instant::now() + duration;
        let mut last_event = Instant::now();
        loop {
            let is_over = Instant::now() >= end;
            if is_over && self.is_quiet() {
                return Ok(true);
            }
            if !is_over {
                self.publish()?;
            }
            self.crowd.poll.wait(&mut events, Some(Duration::ZERO))?;
            for writer in &mut self.writers {
                writer.flush()?;
            }
            let mut any = false;
            for ready in events.iter() {
                any = true;
                let writer = (PUBLISHER - ready.key) as usize;
                match self.writers.get_mut(writer) {
                    Some(writer) => writer.read()?,
                    None => self.crowd.read(ready.key)?,
                }
            }
            if any {
                last_event = Instant::now();
            } else if last_event.elapsed() > PATIENCE {
                return Ok(false);
            }
        }
    }

    /// Has those publish who have their answer.
    fn publish(&mut self) -> Result<(), BoxError> {
        let mut room = self.opts.ahead.saturating_sub(self.under_way());
        for writer in &mut self.writers {
            if room > 0 && writer.is_answered() {
                writer.publish(1)?;
                room -= 1;
            }
        }
        Ok(())
    }

    fn published(&self) -> u64 {
        self.writers.iter().map(Publisher::sent).sum()
    }

    /// How many have not arrived, since it is counted.
    fn under_way(&self) -> u64 {
        let (published, lost) = self.before;
        let tally = &self.crowd.tally;
        let arrived = tally.delivered + tally.lost - lost;
        (self.published() - published).saturating_sub(arrived)
    }

    fn is_quiet(&self) -> bool {
        self.under_way() == 0 && self.writers.iter().all(Publisher::is_answered)
    }

    /// Begins to count.
    fn restart(&mut self) {
        self.crowd.tally.restart();
        self.before = (self.published(), self.crowd.tally.lost);
        for writer in &mut self.writers {
            writer.latency.clear();
        }
    }

    fn report(self, usage: Usage) -> Report {
        let published = self.published() - self.before.0;
        let Self { opts, crowd, .. } = self;
        let tally = crowd.tally;
        let mut answers = Histogram::new();
        for writer in &self.writers {
            answers.add(&writer.latency);
        }
        Report {
            run: "publish",
            name: opts.server.name.clone(),
            transport: opts.subscribe.transport.name(),
            writers: opts.writers,
            channels: opts.channels,
            size: opts.publish.size,
            published,
            delivered: tally.delivered,
            lost: tally.lost,
            again: tally.again,
            disordered: tally.disordered,
            damaged: tally.damaged,
            publications_per_second: published as f64 / usage.seconds,
            cpu_us_per_publication: usage.server_cpu * 1e6 / published.max(1) as f64,
            p50_ms: tally.latency.quantile(0.5),
            p99_ms: tally.latency.quantile(0.99),
            answer_p50_ms: answers.quantile(0.5),
            answer_p99_ms: answers.quantile(0.99),
            usage,
        }
    }
}
