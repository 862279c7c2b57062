//! What a run has counted.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Everything that is told at the end.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) rounds: u64,
    pub(crate) rounds_with_loss: u64,
    pub(crate) attempted: u64,
    pub(crate) acknowledged: u64,
    /// Publications that were not acknowledged at once, by why.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Acknowledged, and gone with their epoch.
    pub(crate) lost: u64,
    pub(crate) deliveries: u64,
    pub(crate) counted_gaps: u64,
    pub(crate) uncounted_gaps: u64,
    pub(crate) epoch_changes: u64,
    pub(crate) sessions: u64,
    /// Sessions that ended or did not begin, by why.
    pub(crate) ended: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Nodes that did not start as their broker could not be reached.
    pub(crate) starts_refused: u64,
    /// From when the last fault was undone.
    pub(crate) longest_until_ready: Duration,
    /// From when every node was ready.
    pub(crate) longest_until_caught_up: Duration,
    /// Of publications that began and arrived while nothing was broken.
    pub(crate) calm_deliveries: u64,
    pub(crate) worst_calm_latency: Duration,
    pub(crate) peak_memory: u64,
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  rounds              {} ({} of them with loss)",
            self.rounds, self.rounds_with_loss
        )?;
        writeln!(
            f,
            "  publications        {} attempted, {} acknowledged",
            self.attempted, self.acknowledged
        )?;
        writeln!(f, "    answered late     {}", list(&self.failed))?;
        writeln!(f, "    lost with epoch   {}", self.lost)?;
        writeln!(f, "  deliveries          {}", self.deliveries)?;
        writeln!(
            f,
            "    gaps              {} counted, {} uncounted",
            self.counted_gaps, self.uncounted_gaps
        )?;
        writeln!(f, "    epochs continued  {}", self.epoch_changes)?;
        writeln!(f, "  sessions            {}", self.sessions)?;
        writeln!(f, "    ended             {}", list(&self.ended))?;
        writeln!(f, "  faults              {}", list(&self.faults))?;
        writeln!(f, "  node starts refused {}", self.starts_refused)?;
        writeln!(
            f,
            "  until ready         {:.1?} at most, behind the last fault",
            self.longest_until_ready
        )?;
        writeln!(
            f,
            "  until caught up     {:.1?} at most, behind that",
            self.longest_until_caught_up
        )?;
        writeln!(
            f,
            "  calm latency        {:.1?} at worst of {} deliveries",
            self.worst_calm_latency, self.calm_deliveries
        )?;
        write!(
            f,
            "  memory of a node    {} MiB at most",
            self.peak_memory >> 20
        )
    }
}

fn list<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    }
}
