//! Every server against the bare loop, in turn: who is measured, how, and what becomes of it.
//!
//! The figures of a server and of the loop are only compared within a pair, one right after the
//! other, as what a machine gives changes from minute to minute.

mod chart;
mod mode;
mod mode_list;
mod pairs;
mod peer;
mod peer_list;
mod plan;
mod server;
mod table;

use std::{fs, path::Path};

use crate::{
    BoxError,
    cell::{Cell, Cells},
    cli::CompareOpts,
    host,
    place::Place,
    transport::Transport,
};
use mode::Mode;
use pairs::{Pairs, Runs};
use peer::Peer;

/// One thing to measure.
struct Task {
    peer: &'static Peer,
    /// `None` for echoes.
    transport: Option<Transport>,
    mode: &'static Mode,
}

/// Builds, measures, and writes the table and the chart.
pub(crate) fn run(opts: &CompareOpts) -> Result<(), BoxError> {
    let place = Place::new(opts.quick)?;
    let mut cells = Cells::read(place.out("results.jsonl"))?;
    let mut not_measured = Vec::new();
    if !opts.render {
        let tasks = plan::tasks(opts)?;
        measure(opts, &place, tasks, &mut cells, &mut not_measured)?;
    }
    let docs = opts.docs.clone().unwrap_or_else(|| place.docs());
    fs::create_dir_all(&docs)?;
    write(&docs.join("benchmarks.md"), &table::render(&cells))?;
    write(&docs.join("benchmarks.svg"), &chart::render(&cells))?;
    for line in &not_measured {
        println!("NOT MEASURED: {line}");
    }
    Ok(())
}

fn measure(
    opts: &CompareOpts,
    place: &Place,
    mut tasks: Vec<Task>,
    cells: &mut Cells,
    not_measured: &mut Vec<String>,
) -> Result<(), BoxError> {
    let mut built: Vec<&str> = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    for task in &tasks {
        let peer = task.peer;
        if built.contains(&peer.name) || missing.contains(&peer.name) {
            continue;
        }
        match peer.make_ready(place) {
            Ok(()) => built.push(peer.name),
            Err(reason) => {
                missing.push(peer.name);
                not_measured.push(format!("{}: {reason}", peer.name));
            }
        }
    }
    tasks.retain(|task| built.contains(&task.peer.name));

    let pairs = Pairs::new(opts, place)?;
    let count = tasks.len();
    for (number, task) in tasks.iter().enumerate() {
        let key = task.key();
        eprintln!("[{}/{count}] {key}", number + 1);
        match pairs.run(task) {
            Ok(runs) => cells.put(task.cell(runs, place)?)?,
            Err(error) => {
                eprintln!("  {error}");
                not_measured.push(format!("{key}: {error}"));
            }
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), BoxError> {
    fs::write(path, text)?;
    println!("{}", path.display());
    Ok(())
}

impl Task {
    /// What it is called in reports.
    fn key(&self) -> String {
        let transport = self.transport.map_or("echo", Transport::name);
        format!("{} {transport} {}", self.peer.name, self.mode.name)
    }

    fn cell(&self, runs: Runs, place: &Place) -> Result<Cell, BoxError> {
        Ok(Cell {
            peer: self.peer.name.to_owned(),
            transport: self.transport.map_or("", Transport::name).to_owned(),
            mode: self.mode.name.to_owned(),
            version: self.peer.version(place),
            date: host::date()?,
            host: host::describe(),
            subject: runs.subject,
            reference: runs.reference,
        })
    }
}
