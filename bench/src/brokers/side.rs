//! An engine with its nodes, loaded.

use std::{env, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    Broker,
    engine::Engine,
    mode::{Load, Mode},
};
use crate::{
    BoxError, cell,
    place::Place,
    server::{self, Server},
};

/// Around a payload, so that it is JSON of 128 bytes.
const PUBLISHED: [&str; 6] = [
    "--publish-body",
    "{\"m\":\"{}\"}",
    "--publish-header",
    "Content-Type: application/json",
    "--size",
    "120",
];

pub(super) struct Side {
    broker: Broker,
    /// What is published to the first reaches the last, where everyone listens.
    nodes: Vec<Server>,
    // Behind the nodes, which else would say that it is away.
    engine: Engine,
}

/// What all runs have in common.
pub(super) struct Conditions {
    pub(super) server_core: usize,
    pub(super) load_core: usize,
    /// How long a run measures.
    pub(super) seconds: f64,
    /// How often quiet channels are asked about where nothing else is done, in seconds.
    pub(super) check_period: f64,
    /// Check periods of a run.
    pub(super) checks: f64,
}

impl Side {
    pub(super) fn start(
        broker: Broker,
        load: Load,
        program: &Path,
        place: &Place,
        conditions: &Conditions,
    ) -> Result<Self, BoxError> {
        let core = conditions.server_core;
        let engine = Engine::start(broker, place, core)?;
        let count = if broker == Broker::Memory { 1 } else { 2 };
        let mut nodes = Vec::new();
        for _ in 0..count {
            let port = server::free_port()?;
            let mut command = Command::new(program);
            command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
            command.args(["--broker", &engine.url]);
            if load == Load::Check {
                let period = (conditions.check_period * 1e3) as u64;
                command.args(["--check-period", &format!("{period}ms")]);
            }
            nodes.push(Server::start(command, port, core, place, "encke-node")?);
        }
        Ok(Self {
            broker,
            nodes,
            engine,
        })
    }

    /// Runs the load program once; the report has what everyone's CPU was for one of what was done.
    pub(super) fn run(&self, mode: &Mode, conditions: &Conditions) -> Result<Value, BoxError> {
        let (Some(publishes), Some(delivers)) = (self.nodes.first(), self.nodes.last()) else {
            return Err("there is no node".into());
        };
        let mut command = Command::new(env::current_exe()?);
        command.args(["load", mode.load.command()]);
        command.args(["--name", self.broker.name()]);
        command.args(["--transport", mode.transport.name()]);
        command.args(["--server-pid", &delivers.pid().to_string()]);
        if self.nodes.len() > 1 {
            command.args(["--beside", &format!("publishing node={}", publishes.pid())]);
        }
        for server in &self.engine.servers {
            command.args(["--beside", &format!("engine={}", server.pid())]);
        }
        for counter in &self.engine.counters {
            command.args(["--count", &counter.to_string()]);
        }
        command.args(["--core", &conditions.load_core.to_string()]);
        let path = format!("/live/{}-{{channel}}", mode.name);
        command.args(["--url", &delivers.url(&path)]);
        if mode.load == Load::Check {
            let hold = conditions.check_period * conditions.checks;
            command.args(["--hold", &hold.to_string()]);
        } else {
            command.args(["--publish-url", &publishes.url(&path)]);
            command.args(["--seconds", &conditions.seconds.to_string()]);
            command.args(PUBLISHED);
        }
        if mode.load == Load::Publish {
            command.arg("--offsets");
        }
        command.args(mode.arguments);

        let mut report = cell::report(command)?;
        divide(&mut report, mode.load, conditions);
        Ok(report)
    }
}

/// Adds what the CPU of each process was for one of what was done.
fn divide(report: &mut Value, load: Load, conditions: &Conditions) {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let periods = number(&report["seconds"]) / conditions.check_period;
    let scale = match load {
        Load::Publish => 1e6 / number(&report["published"]),
        Load::Deliver => 1e6 / number(&report["delivered"]),
        Load::Check => 1e3 / periods,
    };
    let node = number(&report["server_cpu"]);
    let publishing_node = number(&report["beside"]["publishing node"]);
    let engine = number(&report["beside"]["engine"]);
    if load == Load::Check {
        report["check_periods"] = json!(periods);
    }
    report["cpu_node"] = json!(node * scale);
    report["cpu_publishing_node"] = json!(publishing_node * scale);
    report["cpu_engine"] = json!(engine * scale);
    report["cpu_all"] = json!((node + publishing_node + engine) * scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_told_of_each_process_and_of_all() {
        let conditions = Conditions {
            server_core: 0,
            load_core: 1,
            seconds: 1.0,
            check_period: 1.0,
            checks: 1.0,
        };
        let mut report = json!({
            "delivered": 500_000,
            "server_cpu": 1.0,
            "beside": { "publishing node": 0.25, "engine": 0.5 },
        });
        divide(&mut report, Load::Deliver, &conditions);
        let figures = ["cpu_node", "cpu_publishing_node", "cpu_engine", "cpu_all"];
        let figures = figures.map(|figure| report[figure].as_f64());
        assert_eq!(figures, [Some(2.0), Some(0.5), Some(1.0), Some(3.5)]);
    }
}
