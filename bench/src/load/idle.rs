//! What connections cost that nothing is said on.

use serde::Serialize;

use super::{
    Clock,
    crowd::{Crowd, Size},
    usage::{Since, Usage},
};
use crate::{
    BoxError,
    cli::IdleOpts,
    machine,
    process::{Memory, Process},
};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: &'static str,
    name: String,
    transport: &'static str,
    connections: usize,
    channels: usize,
    /// Growth of the server's resident memory since before the first, in bytes.
    resident_per_connection: f64,
    /// The part of it that is no file.
    anonymous_per_connection: f64,
    /// Growth of the kernel's structures, both ends of the connection together.
    kernel_per_connection: f64,
    /// CPU of the server per connection and second, in microseconds.
    cpu_us_per_connection_second: f64,
    #[serde(flatten)]
    usage: Usage,
}

pub(super) fn run(opts: &IdleOpts) -> Result<Report, BoxError> {
    super::pin(&opts.server)?;
    let server = opts.server.server_pid;
    let memory = || server.map_or_else(Memory::default, Process::memory);
    let size = Size {
        subscribers: opts.connections,
        channels: opts.channels,
        recovered: 0,
    };

    let (before, kernel_before) = (memory(), machine::slab());
    let mut crowd = Crowd::open(&opts.subscribe, &size, Clock::start())?;
    crowd.settle(opts.subscribe.settle)?;
    let (after, kernel_after) = (memory(), machine::slab());
    let since = Since::now(&opts.server)?;
    crowd.settle(opts.hold)?;
    let usage = since.usage()?;

    let connections = opts.connections as f64;
    let grown = |before: u64, after: u64| (after as f64 - before as f64) / connections;
    Ok(Report {
        run: "idle",
        name: opts.server.name.clone(),
        transport: opts.subscribe.transport.name(),
        connections: opts.connections,
        channels: opts.channels,
        resident_per_connection: grown(before.resident, after.resident),
        anonymous_per_connection: grown(before.anonymous, after.anonymous),
        kernel_per_connection: grown(kernel_before, kernel_after),
        cpu_us_per_connection_second: usage.server_cpu * 1e6 / connections / usage.seconds,
        usage,
    })
}
