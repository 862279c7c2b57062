//! The machine a measurement runs on: its cores, its descriptors, its kernel's memory.

use std::fs;

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

use crate::BoxError;

/// Raises the limit of open descriptors as far as this process may.
pub(crate) fn allow_many_descriptors() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // With fewer than it needs, a run says which connection could not be opened.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Keeps this thread, and the processes it starts, on one core.
pub(crate) fn pin(core: usize) -> Result<(), BoxError> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
        .map_err(|error| format!("cannot run on core {core}: {error}"))?;
    Ok(())
}

/// How many cores there are, whichever of them this thread may use.
pub(crate) fn cores() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = stat.lines().skip(1);
    lines.take_while(|line| line.starts_with("cpu")).count()
}

/// Busy and total ticks of all cores.
pub(crate) fn ticks() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let total: u64 = fields.iter().take(8).sum();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    (total - idle, total)
}

/// Bytes of the kernel's own structures, the ones of sockets among them.
pub(crate) fn slab() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    memory
        .lines()
        .find_map(|line| line.strip_prefix("Slab:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
