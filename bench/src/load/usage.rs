//! What a server, the load program and strangers used between two moments.

use std::time::Instant;

use serde::Serialize;

use crate::{machine, process::Process};

/// The beginning of a measurement.
pub(super) struct Since {
    server: Option<Process>,
    server_cpu: f64,
    own_cpu: f64,
    ticks: (u64, u64),
    begun: Instant,
}

#[derive(Debug, Serialize)]
pub(super) struct Usage {
    pub(super) seconds: f64,
    /// CPU seconds of the server.
    pub(super) server_cpu: f64,
    /// CPU seconds of the load program. All of the time, if it is to be quick enough.
    pub(super) own_cpu: f64,
    /// Share of the machine that others had: what a noisy run is known by.
    pub(super) others: f64,
}

impl Since {
    pub(super) fn now(server: Option<Process>) -> Self {
        Self {
            server,
            own_cpu: Process::this().cpu_seconds(),
            ticks: machine::ticks(),
            // Last, so that what reading the others costs is not measured.
            server_cpu: server.map_or(0.0, Process::cpu_seconds),
            begun: Instant::now(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let seconds = self.begun.elapsed().as_secs_f64();
        let server_cpu = self.server.map_or(0.0, Process::cpu_seconds) - self.server_cpu;
        let own_cpu = Process::this().cpu_seconds() - self.own_cpu;
        let (busy, total) = machine::ticks();
        let total = (total - self.ticks.1).max(1) as f64;
        let busy = (busy - self.ticks.0) as f64 / total;
        let ours = (server_cpu + own_cpu) / (seconds * machine::cores() as f64);
        Usage {
            seconds,
            server_cpu,
            own_cpu,
            others: (busy - ours).max(0.0),
        }
    }
}
