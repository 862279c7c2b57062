//! What was ever published where, in every epoch there ever was.
//!
//! Invariant: a position has one publication, and keeps it, whatever the engine forgets.

use crate::log::Lineage;
use encke_proto::{Epoch, Position};

/// A publication, by the number that its data tells.
pub(super) type Id = usize;

#[derive(Debug, Default)]
pub(super) struct Truth {
    /// The epoch of number n at n − 1.
    lives: Vec<Life>,
}

#[derive(Debug)]
struct Life {
    /// The epoch this one continues, and up to where.
    parent: Option<Position>,
    /// Its own publications, behind those of its parent.
    own: Vec<Id>,
    /// What the engine says it continues.
    declared: Lineage,
}

impl Truth {
    /// An epoch that continues another one up to `parent`, or none.
    pub(super) fn begin(&mut self, parent: Option<Position>, declared: Lineage) -> Epoch {
        self.lives.push(Life {
            parent,
            own: Vec::new(),
            declared,
        });
        Epoch::new(self.lives.len() as u64)
    }

    /// Gives a publication the next position of this epoch.
    pub(super) fn add(&mut self, epoch: Epoch, id: Id) -> Position {
        let life = self.life_mut(epoch);
        life.own.push(id);
        let base = life.parent.map_or(0, |parent| parent.offset);
        Position::new(epoch, base + life.own.len() as u64)
    }

    pub(super) fn at(&self, position: Position) -> Option<Id> {
        let mut epoch = position.epoch;
        loop {
            let life = self.life(epoch)?;
            let base = life.parent.map_or(0, |parent| parent.offset);
            if position.offset > base {
                let index = (position.offset - base - 1) as usize;
                return life.own.get(index).copied();
            }
            epoch = life.parent?.epoch;
        }
    }

    /// Whether a log of this epoch has all that one had which stood at `position`.
    pub(super) fn continues(&self, position: Position, epoch: Epoch) -> bool {
        let (mut at, mut until) = (epoch, u64::MAX);
        while at != position.epoch {
            let Some(parent) = self.life(at).and_then(|life| life.parent) else {
                return false;
            };
            at = parent.epoch;
            until = until.min(parent.offset);
        }
        self.life(at).is_some() && position.offset <= until
    }

    /// Whether the engine says so.
    pub(super) fn is_declared(&self, position: Position, epoch: Epoch) -> bool {
        let declared = || self.life(epoch)?.declared.until(position.epoch);
        position.epoch == epoch || declared().is_some_and(|until| position.offset <= until)
    }

    /// The offset of the newest publication that this epoch ever had.
    pub(super) fn newest(&self, epoch: Epoch) -> u64 {
        self.life(epoch).map_or(0, |life| {
            life.parent.map_or(0, |parent| parent.offset) + life.own.len() as u64
        })
    }

    /// How often each publication was given a position.
    pub(super) fn times(&self, publications: usize) -> Vec<u8> {
        let mut times = vec![0; publications];
        for id in self.lives.iter().flat_map(|life| &life.own) {
            times[*id] += 1;
        }
        times
    }

    fn life(&self, epoch: Epoch) -> Option<&Life> {
        self.lives.get((epoch.number() as usize).checked_sub(1)?)
    }

    fn life_mut(&mut self, epoch: Epoch) -> &mut Life {
        &mut self.lives[epoch.number() as usize - 1]
    }
}
