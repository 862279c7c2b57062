//! What a server, the load program and strangers used between two moments.

use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;

use crate::{
    BoxError,
    cli::ServerOpts,
    counters::{self, Counters},
    machine,
    process::Process,
};

/// The beginning of a measurement.
pub(super) struct Since<'a> {
    server: &'a ServerOpts,
    server_cpu: f64,
    beside: Vec<f64>,
    counters: Counters,
    own_cpu: f64,
    ticks: (u64, u64),
    begun: Instant,
}

#[derive(Debug, Serialize)]
pub(super) struct Usage {
    pub(super) seconds: f64,
    /// CPU seconds of the server.
    pub(super) server_cpu: f64,
    /// CPU seconds of the processes beside it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) beside: BTreeMap<String, f64>,
    /// What the engines counted.
    #[serde(skip_serializing_if = "Counters::is_empty")]
    pub(super) operations: Counters,
    /// CPU seconds of the load program. All of the time, if it is to be quick enough.
    pub(super) own_cpu: f64,
    /// Share of the machine that others had: what a noisy run is known by.
    pub(super) others: f64,
}

impl<'a> Since<'a> {
    pub(super) fn now(server: &'a ServerOpts) -> Result<Self, BoxError> {
        Ok(Self {
            server,
            counters: counters::read(&server.count)?,
            own_cpu: Process::this().cpu_seconds(),
            ticks: machine::ticks(),
            // Last, so that what reading the others costs is not measured.
            beside: server.beside_cpu().collect(),
            server_cpu: server.cpu(),
            begun: Instant::now(),
        })
    }

    pub(super) fn usage(&self) -> Result<Usage, BoxError> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let server_cpu = self.server.cpu() - self.server_cpu;
        let mut beside = BTreeMap::new();
        let spent = self.server.beside_cpu().zip(&self.beside);
        for ((name, _), (now, before)) in self.server.beside.iter().zip(spent) {
            *beside.entry(name.clone()).or_default() += now - before;
        }
        let own_cpu = Process::this().cpu_seconds() - self.own_cpu;
        let (busy, total) = machine::ticks();
        let total = (total - self.ticks.1).max(1) as f64;
        let busy = (busy - self.ticks.0) as f64 / total;
        let ours = server_cpu + own_cpu + beside.values().sum::<f64>();
        let ours = ours / (seconds * machine::cores() as f64);
        let mut operations = counters::read(&self.server.count)?;
        for (name, count) in &mut operations {
            *count -= self.counters.get(name).copied().unwrap_or_default();
        }
        Ok(Usage {
            seconds,
            server_cpu,
            beside,
            operations,
            own_cpu,
            others: (busy - ours).max(0.0),
        })
    }
}

impl ServerOpts {
    fn cpu(&self) -> f64 {
        self.server_pid.map_or(0.0, Process::cpu_seconds)
    }

    fn beside_cpu(&self) -> impl Iterator<Item = f64> {
        self.beside.iter().map(|(_, process)| process.cpu_seconds())
    }
}
