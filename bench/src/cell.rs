//! What was measured, kept in a file: a table may be the work of several days.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    process::Command,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::BoxError;

/// The reports of one run: of the load, and of the load that is taken off it.
pub(crate) type Run = Vec<Value>;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Cell {
    pub(crate) peer: String,
    /// Empty for echoes.
    pub(crate) transport: String,
    pub(crate) mode: String,
    pub(crate) version: String,
    pub(crate) date: String,
    pub(crate) host: String,
    pub(crate) subject: Vec<Run>,
    pub(crate) reference: Vec<Run>,
}

/// The latest of each.
pub(crate) struct Cells {
    path: PathBuf,
    all: Vec<Cell>,
}

/// A median with the least and the most.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Cell {
    fn is_same(&self, other: &Self) -> bool {
        self.peer == other.peer && self.transport == other.transport && self.mode == other.mode
    }

    /// A field of the server's reports over that of the reference's.
    pub(crate) fn ratio(&self, field: &str) -> Spread {
        Spread::of(ratios(&self.subject, &self.reference, field))
    }

    /// A field of the server's reports.
    pub(crate) fn value(&self, field: &str) -> Spread {
        Spread::of_field(&self.subject, field)
    }

    /// The field of the reference's.
    pub(crate) fn reference(&self, field: &str) -> Spread {
        Spread::of_field(&self.reference, field)
    }

    /// The share of the machine that others had in the worst run.
    pub(crate) fn others(&self) -> f64 {
        let runs = self.subject.iter().chain(&self.reference).flatten();
        runs.filter_map(|report| report["others"].as_f64())
            .fold(0.0, f64::max)
    }
}

/// What the load program reports.
pub(crate) fn report(mut load: Command) -> Result<Value, BoxError> {
    let output = load.output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(errors.trim().trim_start_matches("encke-bench: ").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Each server run over the mean of the reference's before and after it.
pub(crate) fn ratios(subject: &[Run], reference: &[Run], field: &str) -> Vec<f64> {
    let around = reference
        .windows(2)
        .map(|runs| (metric(&runs[0], field) + metric(&runs[1], field)) / 2.0);
    subject
        .iter()
        .zip(around)
        .map(|(run, around)| metric(run, field) / around)
        .collect()
}

/// A field of a run's report, less what is taken off.
fn metric(run: &Run, field: &str) -> f64 {
    let mut values = run
        .iter()
        .map(|report| report[field].as_f64().unwrap_or(f64::NAN));
    let value = values.next().unwrap_or(f64::NAN);
    value - values.sum::<f64>()
}

impl Cells {
    pub(crate) fn read(path: PathBuf) -> Result<Self, BoxError> {
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
    pub(crate) fn put(&mut self, cell: Cell) -> Result<(), BoxError> {
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

    pub(crate) fn all(&self) -> &[Cell] {
        &self.all
    }

    pub(crate) fn get(&self, peer: &str, transport: &str, mode: &str) -> Option<&Cell> {
        self.all
            .iter()
            .find(|cell| cell.peer == peer && cell.transport == transport && cell.mode == mode)
    }
}

impl Spread {
    pub(crate) fn of_field<'a>(runs: impl IntoIterator<Item = &'a Run>, field: &str) -> Self {
        Self::of(runs.into_iter().map(|run| metric(run, field)).collect())
    }

    pub(crate) fn of(mut values: Vec<f64>) -> Self {
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
    fn runs(values: &[f64]) -> Vec<Run> {
        let run = |value: &f64| vec![json!({ "cpu_per_million": value })];
        values.iter().map(run).collect()
    }

    #[test]
    fn a_ratio_is_that_to_the_neighbours_and_the_median_of_all() {
        let (subject, reference) = (runs(&[6.0, 9.0, 20.0]), runs(&[2.0, 4.0, 2.0, 6.0]));
        let ratios = ratios(&subject, &reference, "cpu_per_million");
        assert_eq!(ratios, [2.0, 3.0, 5.0]);
        let spread = Spread::of(ratios);
        assert_eq!((spread.median, spread.least, spread.most), (3.0, 2.0, 5.0));
    }

    #[test]
    fn the_cost_of_the_same_without_subscribers_is_taken_off() {
        let run = vec![json!({ "cost": 10.0 }), json!({ "cost": 4.0 })];
        assert_eq!(metric(&run, "cost"), 6.0);
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
