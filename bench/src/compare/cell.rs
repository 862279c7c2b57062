//! What was measured, kept in a file: a table may be the work of several days.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    Task, host,
    mode::Mode,
    pairs::{self, Run, Runs},
    place::Place,
};
use crate::{BoxError, transport::Transport};

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Cell {
    pub(super) peer: String,
    /// Empty for echoes.
    pub(super) transport: String,
    pub(super) mode: String,
    pub(super) version: String,
    pub(super) date: String,
    pub(super) host: String,
    pub(super) subject: Vec<Run>,
    pub(super) reference: Vec<Run>,
}

/// The latest of each.
pub(super) struct Cells {
    path: PathBuf,
    all: Vec<Cell>,
}

/// A median with the least and the most.
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Cell {
    pub(super) fn new(task: &Task, runs: Runs, place: &Place) -> Result<Self, BoxError> {
        Ok(Self {
            peer: task.peer.name.to_owned(),
            transport: task.transport.map_or("", Transport::name).to_owned(),
            mode: task.mode.name.to_owned(),
            version: task.peer.version(place),
            date: host::date()?,
            host: host::describe(),
            subject: runs.subject,
            reference: runs.reference,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.peer == other.peer && self.transport == other.transport && self.mode == other.mode
    }

    /// The server over the reference.
    pub(super) fn ratio(&self, mode: &Mode) -> Spread {
        Spread::of(pairs::ratios(&self.subject, &self.reference, mode))
    }

    /// A field of the server's reports.
    pub(super) fn value(&self, field: &str) -> Spread {
        Spread::of(values(&self.subject, field))
    }

    /// The field of the reference's.
    pub(super) fn reference(&self, field: &str) -> Spread {
        Spread::of(values(&self.reference, field))
    }

    /// The share of the machine that others had in the worst run.
    pub(super) fn others(&self) -> f64 {
        let runs = self.subject.iter().chain(&self.reference).flatten();
        runs.filter_map(|report| report["others"].as_f64())
            .fold(0.0, f64::max)
    }
}

fn values(runs: &[Run], field: &str) -> Vec<f64> {
    runs.iter().map(|run| pairs::metric(run, field)).collect()
}

impl Cells {
    pub(super) fn read(path: PathBuf) -> Result<Self, BoxError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut cells = Self {
            path,
            all: Vec::new(),
        };
        for line in text.lines() {
            cells.replace(serde_json::from_str(line)?);
        }
        Ok(cells)
    }

    /// Adds one, and takes out what was measured of the same before.
    pub(super) fn put(&mut self, cell: Cell) -> Result<(), BoxError> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        writeln!(file, "{}", serde_json::to_string(&cell)?)?;
        self.replace(cell);
        Ok(())
    }

    fn replace(&mut self, cell: Cell) {
        self.all.retain(|old| !old.is_same(&cell));
        self.all.push(cell);
    }

    pub(super) fn all(&self) -> &[Cell] {
        &self.all
    }

    pub(super) fn get(&self, peer: &str, transport: &str, mode: &str) -> Option<&Cell> {
        self.all
            .iter()
            .find(|cell| cell.peer == peer && cell.transport == transport && cell.mode == mode)
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.as_slice() {
            [] => f64::NAN,
            values if values.len() % 2 == 1 => values[middle],
            values => (values[middle - 1] + values[middle]) / 2.0,
        };
        Self {
            median,
            least: values.first().copied().unwrap_or(f64::NAN),
            most: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare::mode_list::MODES;

    fn runs(values: &[f64]) -> Vec<Run> {
        let run = |value: &f64| vec![json!({ "cpu_per_million": value })];
        values.iter().map(run).collect()
    }

    #[test]
    fn a_ratio_is_that_to_the_neighbours_and_the_median_of_all() {
        let runs = Runs {
            subject: runs(&[6.0, 9.0, 20.0]),
            reference: runs(&[2.0, 4.0, 2.0, 6.0]),
        };
        let mode = &MODES[0];
        assert_eq!(runs.ratios(mode), [2.0, 3.0, 5.0]);
        let spread = Spread::of(runs.ratios(mode));
        assert_eq!((spread.median, spread.least, spread.most), (3.0, 2.0, 5.0));
    }

    #[test]
    fn the_cost_of_the_same_without_subscribers_is_taken_off() {
        let run = vec![json!({ "cost": 10.0 }), json!({ "cost": 4.0 })];
        assert_eq!(pairs::metric(&run, "cost"), 6.0);
    }

    #[test]
    fn the_latest_of_the_same_counts() {
        let folder = std::env::temp_dir().join(format!("encke-bench-{}", std::process::id()));
        let path = folder.join("results.jsonl");
        let cell = |version: &str| Cell {
            peer: "encke".to_owned(),
            transport: "sse".to_owned(),
            mode: "closed".to_owned(),
            version: version.to_owned(),
            date: String::new(),
            host: String::new(),
            subject: runs(&[1.0]),
            reference: runs(&[1.0, 1.0]),
        };
        let mut cells = Cells::read(path.clone()).expect("no file yet");
        cells.put(cell("old")).expect("written");
        cells.put(cell("new")).expect("written");
        let read = Cells::read(path).expect("readable");
        fs::remove_dir_all(folder).expect("removed");
        let versions: Vec<_> = read.all().iter().map(|cell| &cell.version).collect();
        assert_eq!(versions, ["new"]);
    }
}
