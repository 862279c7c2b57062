//! Runs in turn: one node alone, two over the broker, one alone, …, one alone.

use std::{path::PathBuf, process::Command};

use super::{
    Broker,
    mode::Mode,
    side::{Conditions, Side},
};
use crate::{
    BoxError,
    cell::{self, Run},
    cli::BrokersOpts,
    place::Place,
};

/// Where the program is built.
const BUILD: [&str; 4] = ["build", "--release", "--package", "encke-server"];

pub(super) struct Rounds<'a> {
    place: &'a Place,
    conditions: Conditions,
    program: PathBuf,
    /// Instead of the mode's.
    pairs: Option<usize>,
}

impl<'a> Rounds<'a> {
    /// Builds the program, too.
    pub(super) fn new(opts: &BrokersOpts, place: &'a Place) -> Result<Self, BoxError> {
        if opts.server_core == opts.load_core {
            return Err("the nodes and the load program each need a core".into());
        }
        let program = match &opts.program {
            Some(program) => program.clone(),
            None => build(place)?,
        };
        Ok(Self {
            place,
            conditions: Conditions {
                server_core: opts.server_core,
                load_core: opts.load_core,
                seconds: opts.seconds.unwrap_or(if opts.quick { 0.3 } else { 1.0 }),
                check_period: if opts.quick { 1.0 } else { 10.0 },
                checks: if opts.quick { 2.0 } else { 6.0 },
            },
            program,
            pairs: opts.pairs.or_else(|| opts.quick.then_some(1)),
        })
    }

    /// The runs over the broker, and those of one node, which are one more.
    pub(super) fn run(
        &self,
        broker: Broker,
        mode: &Mode,
    ) -> Result<(Vec<Run>, Vec<Run>), BoxError> {
        let alone = self.start(Broker::Memory, mode)?;
        let shared = self.start(broker, mode)?;
        let run = |side: &Side| Ok::<_, BoxError>(vec![side.run(mode, &self.conditions)?]);
        let mut subject = Vec::new();
        let mut reference = vec![run(&alone)?];
        let pairs = self.pairs.unwrap_or(mode.pairs);
        for pair in 1..=pairs {
            subject.push(run(&shared)?);
            reference.push(run(&alone)?);
            let ratios = cell::ratios(&subject, &reference, "cpu_all");
            eprintln!(
                "  {pair}/{pairs}: {:.2}",
                ratios.last().unwrap_or(&f64::NAN)
            );
        }
        Ok((subject, reference))
    }

    fn start(&self, broker: Broker, mode: &Mode) -> Result<Side, BoxError> {
        let side = Side::start(
            broker,
            mode.load,
            &self.program,
            self.place,
            &self.conditions,
        );
        side.map_err(|error| format!("{}: {error}", broker.name()).into())
    }
}

fn build(place: &Place) -> Result<PathBuf, BoxError> {
    let status = Command::new("cargo")
        .args(BUILD)
        .current_dir(Place::root())
        .status()?;
    if !status.success() {
        return Err(format!("`cargo {}` failed", BUILD.join(" ")).into());
    }
    Ok(place.fill("{target}/release/encke", 0).into())
}
