//! The rule, held against everything that subscribers and publishers are told.
//!
//! Every offset once and in order, or a gap that covers it; no gap where nothing was lost; the same
//! publication for everyone at the same position.

use super::{
    engine::Engine,
    report::{State, reached},
    truth::Id,
};
use encke_proto::{Gap, Position};

/// What subscribers and publishers were told so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    followers: Vec<Follower>,
    pub(super) publications: Vec<Attempts>,
    failure: Option<String>,
}

/// One subscriber's interest in one channel.
#[derive(Debug)]
struct Follower {
    name: String,
    channel: usize,
    /// Where it stands; `None` before it was told.
    at: Option<Position>,
    /// It made its position up.
    lied: bool,
}

/// What publishers were told of one publication.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) channel: usize,
    pub(super) key: Option<String>,
    /// How often it was asked for, without being told that it was not made.
    pub(super) perhaps: usize,
}

impl Checker {
    pub(super) fn add_follower(&mut self, name: String, channel: usize) -> usize {
        self.followers.push(Follower {
            name,
            channel,
            at: None,
            lied: false,
        });
        self.followers.len() - 1
    }

    pub(super) fn add_publication(&mut self, channel: usize, key: Option<String>) -> Id {
        self.publications.push(Attempts {
            channel,
            key,
            perhaps: 0,
        });
        self.publications.len() - 1
    }

    pub(super) fn position(&self, follower: usize) -> Option<Position> {
        self.followers[follower].at
    }

    /// A client claims a position that nobody told it.
    pub(super) fn lie(&mut self, follower: usize, position: Position) {
        let follower = &mut self.followers[follower];
        (follower.at, follower.lied) = (Some(position), true);
    }

    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn fail(&mut self, failure: String) {
        self.failure.get_or_insert(failure);
    }

    /// A subscriber hears where it stands: where it stood.
    pub(super) fn stands(&mut self, follower: usize, at: Position, engine: &Engine) {
        let Follower {
            at: known, name, ..
        } = &mut self.followers[follower];
        match known {
            None => *known = Some(at),
            Some(known) if *known == at => {}
            // It was led into another epoch where nothing had to be said.
            Some(known)
                if known.offset == at.offset && engine.truth.continues(*known, at.epoch) =>
            {
                *known = at;
            }
            Some(known) => {
                let failure = format!("{name} stands at {known}, and is told {at}");
                self.fail(failure);
            }
        }
    }

    pub(super) fn publication(
        &mut self,
        follower: usize,
        position: Position,
        id: Id,
        engine: &Engine,
    ) {
        let follower = &mut self.followers[follower];
        let failure = follower.take_publication(position, id, engine).err();
        self.failure = self.failure.take().or(failure);
    }

    pub(super) fn gap(&mut self, follower: usize, gap: Gap, engine: &mut Engine) {
        let follower = &mut self.followers[follower];
        let failure = follower.take_gap(gap, engine).err();
        self.failure = self.failure.take().or(failure);
    }

    /// A publisher is told that its publication has this position.
    pub(super) fn acknowledged(&mut self, id: Id, position: Position, engine: &Engine) {
        reached(State::Published);
        let at = engine.truth.at(position);
        if at != Some(id) {
            self.fail(format!(
                "publication {id} is said to be at {position}, where {at:?} is"
            ));
        }
    }

    /// Somebody who does not stand at the head.
    pub(super) fn straggler(&self, engine: &mut Engine) -> Option<String> {
        self.followers.iter().find_map(|follower| {
            let (name, at) = (&follower.name, follower.at);
            let head = engine.head_of(follower.channel);
            let is_there = at.is_some_and(|at| {
                at.offset == head.offset && engine.truth.continues(at, head.epoch)
            });
            (!is_there).then(|| format!("{name} stands at {at:?}, the head is {head}"))
        })
    }

    /// Everything has healed: all stand at the head, and nothing was made that should not be.
    pub(super) fn end(&mut self, engine: &mut Engine) {
        if let Some(straggler) = self.straggler(engine) {
            return self.fail(straggler);
        }
        let times = engine.truth.times(self.publications.len());
        for (id, (publication, times)) in self.publications.iter().zip(times).enumerate() {
            let most = match publication {
                Attempts { perhaps: 0, .. } => 0,
                Attempts { key: Some(_), .. } if engine.forgot_keys => u8::MAX,
                _ => 1,
            };
            if times > most {
                return self.fail(format!("publication {id} was made {times} times"));
            }
        }
    }
}

impl Follower {
    fn take_publication(
        &mut self,
        position: Position,
        id: Id,
        engine: &Engine,
    ) -> Result<(), String> {
        let name = &self.name;
        let at = self
            .at
            .ok_or_else(|| format!("{name} was not told where it stands"))?;
        let there = engine.truth.at(position);
        if there != Some(id) {
            return Err(format!(
                "{name} was given {id} at {position}, where {there:?} is"
            ));
        }
        if position.offset != at.offset + 1 || !engine.truth.continues(at, position.epoch) {
            return Err(format!("{name} was given {position} behind {at}"));
        }
        if at.epoch != position.epoch {
            reached(State::CrossedEpoch);
        }
        self.at = Some(position);
        Ok(())
    }

    fn take_gap(&mut self, gap: Gap, engine: &mut Engine) -> Result<(), String> {
        let name = &self.name;
        let at = self
            .at
            .ok_or_else(|| format!("{name} was not told where it stands"))?;
        let told = format!("{name} was told of {gap:?} behind {at}");
        let continues = engine.truth.continues(at, gap.to.epoch);
        match gap.from {
            Some(from) => {
                reached(State::CountedGap);
                if from != at.offset + 1 || gap.to.offset < from || !continues {
                    return Err(told);
                }
                if self.is_kept(from, gap.to, engine) {
                    return Err(format!("{told}, and all of it is there"));
                }
            }
            None => {
                reached(State::UncountedGap);
                let is_ahead = at.offset > engine.truth.newest(gap.to.epoch);
                let may_lie = self.lied && is_ahead;
                if engine.truth.is_declared(at, gap.to.epoch) && !may_lie {
                    return Err(format!("{told}, and nothing was lost"));
                }
            }
        }
        (self.at, self.lied) = (Some(gap.to), false);
        Ok(())
    }

    /// Whether the engine still has what a gap says is lost.
    fn is_kept(&self, from: u64, to: Position, engine: &mut Engine) -> bool {
        let head = engine.head_of(self.channel);
        !engine.clock_ran_back
            && head.epoch == to.epoch
            && engine.first_kept(self.channel) <= from
            && to.offset <= head.offset
    }
}
