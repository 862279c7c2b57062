//! The rule, for every listener and channel: every offset once and in order, or a gap that covers it.

mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use encke::Position;

use crate::figures::Figures;
use crate::ledger::{Generation, Ledger};
use crate::payload::{CHANNELS, Id};
use crate::stream::Item;
use state::{Listener, State, Walk};

/// What everyone tells, and what is made of it.
pub(crate) struct Checker(Mutex<State>);

/// What everyone has to get to at the end of a round.
#[derive(Clone, Copy)]
pub(crate) struct Marker {
    pub(crate) channel: &'static str,
    pub(crate) at: Position,
    /// It was published when everything was ready: no epoch has begun since.
    pub(crate) is_new: bool,
}

impl Marker {
    pub(crate) fn is_reached(&self, at: Position) -> bool {
        at.offset >= self.at.offset && (at.epoch == self.at.epoch || !self.is_new)
    }
}

impl Checker {
    pub(crate) fn new() -> Self {
        let ledgers = CHANNELS.map(|channel| (channel, Ledger::default()));
        Self(Mutex::new(State {
            begun: Instant::now(),
            listeners: Vec::new(),
            ledgers: ledgers.into(),
            generation: Generation {
                number: 0,
                loses: false,
            },
            calm: None,
            trace: Vec::new(),
            broken: None,
            figures: Figures::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    /// Another listener, with the channels that it means to listen to; gives its number.
    pub(crate) fn add_listener(
        &self,
        name: String,
        channels: &[&'static str],
        keeps_up: bool,
    ) -> usize {
        let mut state = self.lock();
        state.listeners.push(Listener {
            name,
            channels: channels.to_vec(),
            keeps_up,
            connected: None,
            last: VecDeque::new(),
            walks: HashMap::new(),
        });
        state.listeners.len() - 1
    }

    /// One that is done.
    pub(crate) fn remove_walks(&self, listener: usize) {
        self.lock().listeners[listener].walks.clear();
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(&mut self.lock().figures);
    }

    /// Something happened to a listener that is no item.
    pub(crate) fn note(&self, listener: usize, what: &str) {
        self.lock().note(listener, what);
    }

    /// A fault, or the end of one.
    pub(crate) fn trace(&self, what: &str) {
        let mut state = self.lock();
        let line = format!("{:8.3} {what}", state.begun.elapsed().as_secs_f64());
        state.trace.push(line);
    }

    /// Something is wrong that no listener was told.
    pub(crate) fn fail(&self, what: &str) {
        self.lock().fail(None, what);
    }

    /// What was wrong, with its evidence; given once.
    pub(crate) fn broken(&self) -> Option<String> {
        let mut state = self.lock();
        let broken = state.broken.take()?;
        Some(format!(
            "{broken}\n\nthe faults:\n{}",
            state.trace.join("\n")
        ))
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.lock().broken.is_some()
    }

    pub(crate) fn attempt(&self, id: Id, channel: &str, size: usize, keyed: bool) {
        let mut state = self.lock();
        state.figures.attempted += 1;
        state.ledger(channel).attempt(id, size, keyed);
    }

    pub(crate) fn acknowledged(&self, id: Id, channel: &str, position: Position) {
        let mut state = self.lock();
        state.figures.acknowledged += 1;
        let generation = state.generation;
        let told = state.ledger(channel).acknowledged(id, position, generation);
        if let Err(wrong) = told {
            state.fail(None, &format!("{channel}: {wrong}"));
        }
    }

    pub(crate) fn refused(&self, id: Id, channel: &str) {
        let mut state = self.lock();
        if let Err(wrong) = state.ledger(channel).refused(id) {
            state.fail(None, &format!("{channel}: {wrong}"));
        }
    }

    /// A session began, by its first word.
    pub(crate) fn opened(
        &self,
        listener: usize,
        channels: &[&'static str],
        positions: &[Position],
    ) {
        let mut state = self.lock();
        state.figures.sessions += 1;
        for (channel, position) in channels.iter().zip(positions) {
            let walks = &mut state.listeners[listener].walks;
            let walk = walks.entry(channel).or_insert_with(|| Walk {
                at: *position,
                given: HashSet::new(),
            });
            let stood = walk.at;
            if stood != *position {
                state.fail(
                    Some(listener),
                    &format!("{channel}: it stood at {stood} and comes back to {position}"),
                );
            }
        }
        state.listeners[listener].connected = Some(Instant::now());
    }

    pub(crate) fn closed(&self, listener: usize, why: &str) {
        let mut state = self.lock();
        *state.figures.ended.entry(why.to_owned()).or_default() += 1;
        state.listeners[listener].connected = None;
        state.note(listener, why);
    }

    /// A listener to these channels was given an item.
    pub(crate) fn given(&self, listener: usize, channels: &[&'static str], item: &Item) {
        let mut state = self.lock();
        let checked = state.check(listener, channels, item);
        if let Err(wrong) = checked {
            state.fail(Some(listener), &wrong);
        }
    }

    /// A round begins.
    pub(crate) fn begin_round(&self, loses: bool) {
        let mut state = self.lock();
        state.calm = None;
        state.begin_generation(loses);
    }

    pub(crate) fn may_lose(&self) -> bool {
        self.lock().generation.loses
    }

    pub(crate) fn begin_calm(&self) {
        self.lock().calm = Some(Instant::now());
    }

    /// Ends a round, behind whose faults this was published last on each channel.
    pub(crate) fn end_round(&self, markers: &[Marker]) {
        let mut state = self.lock();
        for Marker { channel, at, .. } in markers {
            match state.ledger(channel).end_round(*at) {
                Ok(lost) => state.figures.lost += lost,
                Err(wrong) => state.fail(None, &format!("{channel}: {wrong}")),
            }
        }
        state.figures.rounds += 1;
        if state.generation.loses {
            state.figures.rounds_with_loss += 1;
            state.begin_generation(false);
        }
    }

    /// Listeners that have not been given up to these.
    pub(crate) fn behind(&self, markers: &[Marker]) -> Vec<String> {
        let state = self.lock();
        let mut behind = Vec::new();
        for listener in &state.listeners {
            for marker in markers {
                let Marker {
                    channel, at: end, ..
                } = marker;
                let stands = match listener.walks.get(channel).map(|walk| walk.at) {
                    Some(at) if marker.is_reached(at) => continue,
                    Some(at) => format!("at {at}"),
                    None if listener.channels.contains(channel) => "never opened".to_owned(),
                    None => continue,
                };
                let connected = listener.connected.map_or("away", |_| "connected");
                let name = &listener.name;
                behind.push(format!(
                    "{name} ({connected}): {channel} {stands}, not {end}"
                ));
            }
        }
        behind
    }

    /// As [`Self::fail`], showing what the first of the listeners that are behind was given.
    pub(crate) fn fail_behind(&self, markers: &[Marker], what: &str) {
        let behind = self.behind(markers);
        let mut state = self.lock();
        let first = state.listeners.iter().position(|listener| {
            behind
                .first()
                .is_some_and(|line| line.starts_with(&format!("{} (", listener.name)))
        });
        state.fail(first, &format!("{what}\n{}", behind.join("\n")));
    }

    /// The last publication that no fault may have lost.
    pub(crate) fn last_kept(&self, channel: &str) -> Option<Position> {
        self.lock().ledger(channel).last_kept()
    }

    pub(crate) fn figures(&self) -> String {
        self.lock().figures.to_string()
    }
}
