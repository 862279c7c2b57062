//! What a broker costs: two nodes over an engine, and one node alone that does the work of both, in
//! turn.

mod document;
mod engine;
mod mode;
mod nats;
mod redis;
mod rounds;
mod row;
mod side;
mod table;

use std::{fs, process::Command};

use clap::ValueEnum;

use crate::{
    BoxError,
    cell::{Cell, Cells},
    cli::BrokersOpts,
    counters::printed,
    host,
    place::Place,
};
use mode::{MODES, Mode};
use rounds::Rounds;

/// What two nodes share channels over; with `Memory` there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Broker {
    Memory,
    Redis,
    RedisCluster,
    Nats,
}

/// Builds, measures, and writes the tables.
pub(crate) fn run(opts: &BrokersOpts) -> Result<(), BoxError> {
    let place = Place::new(opts.quick)?;
    let mut cells = Cells::read(place.out("brokers.jsonl"))?;
    let mut not_measured = Vec::new();
    if !opts.render {
        measure(opts, &place, &mut cells, &mut not_measured)?;
    }
    let docs = opts.docs.clone().unwrap_or_else(|| place.docs());
    fs::create_dir_all(&docs)?;
    let path = docs.join("brokers.md");
    document::write(&path, &table::render(&cells))?;
    println!("{}", path.display());
    for line in &not_measured {
        println!("NOT MEASURED: {line}");
    }
    Ok(())
}

fn measure(
    opts: &BrokersOpts,
    place: &Place,
    cells: &mut Cells,
    not_measured: &mut Vec<String>,
) -> Result<(), BoxError> {
    let modes = modes(opts)?;
    let brokers: Vec<Broker> = Broker::shared()
        .filter(|broker| opts.brokers.is_empty() || opts.brokers.contains(broker))
        .collect();
    let rounds = Rounds::new(opts, place)?;
    for mode in modes {
        for broker in &brokers {
            let key = format!("{} {}", broker.name(), mode.name);
            eprintln!("{key}");
            match rounds.run(*broker, mode) {
                Ok((subject, reference)) => cells.put(Cell {
                    peer: broker.name().to_owned(),
                    transport: mode.transport.name().to_owned(),
                    mode: mode.name.to_owned(),
                    version: broker.version()?,
                    date: host::date()?,
                    host: host::describe(),
                    subject,
                    reference,
                })?,
                Err(error) => {
                    eprintln!("  {error}");
                    not_measured.push(format!("{key}: {error}"));
                }
            }
        }
    }
    Ok(())
}

fn modes(opts: &BrokersOpts) -> Result<Vec<&'static Mode>, BoxError> {
    for name in &opts.modes {
        if !MODES.iter().any(|mode| mode.name == name) {
            let all: Vec<&str> = MODES.iter().map(|mode| mode.name).collect();
            return Err(format!("no mode {name}; there are {}", all.join(", ")).into());
        }
    }
    let wanted =
        |mode: &&Mode| opts.modes.is_empty() || opts.modes.iter().any(|name| name == mode.name);
    Ok(MODES.iter().filter(wanted).collect())
}

impl Broker {
    /// Those that nodes share.
    fn shared() -> impl Iterator<Item = Self> {
        [Self::Redis, Self::RedisCluster, Self::Nats].into_iter()
    }

    /// What `--brokers` says.
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::Nats => "nats",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Memory => "memory, one node",
            Self::Redis => "Redis",
            Self::RedisCluster => "Redis Cluster, 3 masters",
            Self::Nats => "NATS JetStream, files",
        }
    }

    /// What encke and the engine are.
    fn version(self) -> Result<String, BoxError> {
        let mut commit = Command::new("git");
        commit.args(["rev-parse", "--short", "HEAD"]);
        let commit = printed(commit.current_dir(Place::root()))?;
        let (program, name) = match self {
            Self::Memory => return Ok(format!("encke {commit}")),
            Self::Redis | Self::RedisCluster => ("redis-server", "Redis"),
            Self::Nats => ("nats-server", "NATS"),
        };
        let printed = printed(engine::command(program).arg("--version"))?;
        let version = printed
            .split([' ', '='])
            .map(|word| word.trim_start_matches('v'))
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        Ok(format!(
            "encke {commit}, {name} {}",
            version.unwrap_or_default()
        ))
    }
}
