//! What is known of one channel, from whoever was told: publishers, and all listeners together.
//!
//! Invariant: one position is one publication, and in one epoch a publication has one position. An
//! epoch that continues another one has what that had, up to where somebody went on without a gap.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use encke::{Epoch, Position};

use crate::payload::Id;

/// A channel.
#[derive(Default)]
pub(crate) struct Ledger {
    made: HashMap<Id, Made>,
    known: HashMap<Epoch, BTreeMap<u64, Id>>,
    /// Up to where an epoch has what another one had: `(earlier, later)`.
    continued: HashMap<(Epoch, Epoch), u64>,
    /// What nothing has been allowed to lose, by offset: since the last round with loss.
    kept: BTreeMap<u64, Id>,
    /// Acknowledged in this round.
    acknowledged: Vec<(Id, Position)>,
    /// With the highest offset that was acknowledged since then.
    last_acknowledged: Option<Position>,
}

/// A publication.
struct Made {
    at: Instant,
    size: u64,
    keyed: bool,
    /// The publisher was told that it was not published.
    refused: bool,
    /// Where it was seen, and in which generation.
    seen: Vec<(u64, Position)>,
}

/// Whether the engine may lose what it has answered for, and since when.
#[derive(Clone, Copy)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) loses: bool,
}

/// History and live window of the nodes.
pub(crate) const HISTORY: u64 = 20;
pub(crate) const HISTORY_AGE: Duration = Duration::from_secs(60);
const WINDOW_AGE: Duration = Duration::from_secs(10);
const WINDOW_BYTES: u64 = 1 << 20;

/// What the way of a publication may take from the window, and publications that nobody has told of.
const SLACK: Duration = Duration::from_millis(500);
const SLACK_BYTES: u64 = 128 << 10;

impl Ledger {
    pub(crate) fn attempt(&mut self, id: Id, size: usize, keyed: bool) {
        let made = Made {
            at: Instant::now(),
            size: size as u64,
            keyed,
            refused: false,
            seen: Vec::new(),
        };
        self.made.insert(id, made);
    }

    pub(crate) fn refused(&mut self, id: Id) -> Result<(), String> {
        let Some(made) = self.made.get_mut(&id) else {
            return Ok(());
        };
        made.refused = true;
        match made.seen.last() {
            None => Ok(()),
            Some((_, position)) => Err(format!(
                "{id:?} is at {position}, and its publisher is told it was not published"
            )),
        }
    }

    /// When it was attempted.
    pub(crate) fn attempted(&self, id: Id) -> Option<Instant> {
        self.made.get(&id).map(|made| made.at)
    }

    pub(crate) fn acknowledged(
        &mut self,
        id: Id,
        position: Position,
        generation: Generation,
    ) -> Result<(), String> {
        self.acknowledged.push((id, position));
        let last = self.last_acknowledged.map_or(0, |last| last.offset);
        if position.offset > last {
            self.last_acknowledged = Some(position);
        }
        self.is_at(id, position, generation)
    }

    /// A publication is at this position, somebody says.
    pub(crate) fn is_at(
        &mut self,
        id: Id,
        position: Position,
        generation: Generation,
    ) -> Result<(), String> {
        let made = self.made.get_mut(&id);
        let made = made.ok_or_else(|| format!("nobody published {id:?}, at {position}"))?;
        if made.refused {
            return Err(format!(
                "{id:?} is at {position}, and its publisher was told it was not published"
            ));
        }
        for (number, other) in &made.seen {
            let again = *other != position
                && (other.epoch == position.epoch
                    || other.offset != position.offset
                        && (!made.keyed || *number == generation.number && !generation.loses));
            if again {
                return Err(format!(
                    "{id:?} was published twice: {other} and {position}"
                ));
            }
        }
        let seen = (generation.number, position);
        if !made.seen.contains(&seen) {
            made.seen.push(seen);
        }
        let known = self.known.entry(position.epoch).or_default();
        let first = *known.entry(position.offset).or_insert(id);
        if first != id {
            return Err(format!(
                "{position} is {first:?} for one and {id:?} for another"
            ));
        }
        if !generation.loses {
            let kept = *self.kept.entry(position.offset).or_insert(id);
            if kept != id {
                let offset = position.offset;
                return Err(format!(
                    "{kept:?} had offset {offset} and was lost, although nothing lost data: {id:?} is at {position}"
                ));
            }
        }
        Ok(())
    }

    /// Somebody was in `from` up to this offset, and goes on in `to` without a gap.
    pub(crate) fn continues(&mut self, from: Position, to: Epoch) {
        let until = self.continued.entry((from.epoch, to)).or_default();
        *until = from.offset.max(*until);
    }

    /// Why a publication may not be missing yet; `from` to `to` are, for somebody.
    pub(crate) fn check_gap(
        &self,
        from: u64,
        to: Position,
        generation: Generation,
    ) -> Result<(), String> {
        // What has got into an epoch may only leave it by its age, or with the epoch.
        let has = match generation.loses {
            false => Some(&self.kept),
            true => self.known.get(&to.epoch),
        };
        let Some(has) = has else { return Ok(()) };
        let Some((offset, id)) = has.range(from..=to.offset).next_back() else {
            return Ok(());
        };
        let age = self.made[id].at.elapsed() + SLACK;
        let newer = has
            .keys()
            .next_back()
            .map_or(0, |last| last.saturating_sub(to.offset));
        let left_history = newer >= HISTORY || age >= HISTORY_AGE;
        // Its own bytes are among those of the window; what nobody told of in this epoch has as many
        // as any may have.
        let sizes = has.range(offset..).filter_map(|(_, id)| self.made.get(id));
        let (known, bytes) = sizes.fold((0, 0), |(count, bytes), made| {
            (count + 1, bytes + made.size + 64)
        });
        let unknown = (newer + to.offset + 1 - offset).saturating_sub(known);
        let largest = self.made.values().map(|made| made.size).max();
        let bytes = bytes + unknown * largest.unwrap_or_default();
        let left_window = bytes + SLACK_BYTES >= WINDOW_BYTES || age >= WINDOW_AGE;
        match left_history && left_window {
            true => Ok(()),
            false => Err(format!(
                "the gap {from}-{to} has {offset}, which nobody had to forget yet: {age:.1?} old, \
                 {newer} newer ones, {bytes} bytes with them"
            )),
        }
    }

    /// The last publication that nothing may have lost, as its publisher was told.
    pub(crate) fn last_kept(&self) -> Option<Position> {
        self.last_acknowledged
            .filter(|position| self.kept.contains_key(&position.offset))
    }

    /// Ends a round behind whose faults `marker` was acknowledged; gives how many acknowledged
    /// publications were lost with their epochs.
    pub(crate) fn end_round(&mut self, marker: Position) -> Result<u64, String> {
        for ((earlier, later), until) in &self.continued {
            let (Some(before), Some(after)) = (self.known.get(earlier), self.known.get(later))
            else {
                continue;
            };
            for (offset, id) in after.range(..=*until) {
                if let Some(other) = before.get(offset).filter(|other| *other != id) {
                    return Err(format!(
                        "epoch {later} continues {earlier} up to {until}, as somebody went on there, but has \
                         {id:?} at offset {offset} and not {other:?}"
                    ));
                }
            }
        }
        let mut lost = 0;
        let last = self.known.get(&marker.epoch);
        for (id, position) in self.acknowledged.drain(..) {
            if position.epoch == marker.epoch {
                if position.offset > marker.offset {
                    return Err(format!(
                        "{id:?} at {position} was acknowledged before {marker}"
                    ));
                }
                continue;
            }
            let now = last.and_then(|last| last.get(&position.offset));
            if position.offset > marker.offset || now.is_some_and(|now| *now != id) {
                lost += 1;
            }
        }
        Ok(lost)
    }

    /// From here on other things are kept.
    pub(crate) fn begin_generation(&mut self) {
        self.kept.clear();
        self.last_acknowledged = None;
    }
}
