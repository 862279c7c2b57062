//! What is known of everyone, and each step that a listener makes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use encke::Position;

use crate::figures::Figures;
use crate::ledger::{Generation, Ledger};
use crate::payload::{self, Id};
use crate::stream::{Item, Told};

/// Items of a listener that are shown when it broke the rule, or was given what did.
const SHOWN: usize = 50;

pub(super) struct State {
    pub(super) begun: Instant,
    pub(super) listeners: Vec<Listener>,
    pub(super) ledgers: HashMap<&'static str, Ledger>,
    pub(super) generation: Generation,
    /// Nothing is broken since then.
    pub(super) calm: Option<Instant>,
    /// Faults, as they were made and undone.
    pub(super) trace: Vec<String>,
    /// The first thing that was wrong, and what shows it.
    pub(super) broken: Option<String>,
    pub(super) figures: Figures,
}

pub(super) struct Listener {
    pub(super) name: String,
    pub(super) channels: Vec<&'static str>,
    /// Whether it reads all it gets at once.
    pub(super) keeps_up: bool,
    pub(super) connected: Option<Instant>,
    pub(super) last: VecDeque<String>,
    pub(super) walks: HashMap<&'static str, Walk>,
}

/// A listener's way through a channel.
pub(super) struct Walk {
    pub(super) at: Position,
    /// What it was given since the last gap that cannot be counted.
    pub(super) given: HashSet<Id>,
}

impl State {
    pub(super) fn ledger(&mut self, channel: &str) -> &mut Ledger {
        self.ledgers.get_mut(channel).expect("one of ours")
    }

    pub(super) fn note(&mut self, listener: usize, what: &str) {
        let line = format!("{:8.3} {what}", self.begun.elapsed().as_secs_f64());
        let last = &mut self.listeners[listener].last;
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }

    pub(super) fn fail(&mut self, listener: Option<usize>, what: &str) {
        if self.broken.is_some() {
            return;
        }
        let at = self.begun.elapsed().as_secs_f64();
        let shown = listener.map(|listener| {
            let Listener { name, last, .. } = &self.listeners[listener];
            let last: Vec<&str> = last.iter().map(String::as_str).collect();
            format!("\n\n{name} was given, last:\n{}", last.join("\n"))
        });
        self.broken = Some(format!("{at:.3}: {what}{}", shown.unwrap_or_default()));
    }

    pub(super) fn begin_generation(&mut self, loses: bool) {
        if self.generation.loses == loses {
            return;
        }
        self.generation.number += 1;
        self.generation.loses = loses;
        self.ledgers.values_mut().for_each(Ledger::begin_generation);
    }

    pub(super) fn check(
        &mut self,
        listener: usize,
        channels: &[&'static str],
        item: &Item,
    ) -> Result<(), String> {
        let (name, position) = match &item.told {
            Told::Opened => return Err("it was told twice where it stands".to_owned()),
            Told::Publication {
                channel,
                position,
                data,
            } => {
                let (publisher, number) = (&data["publisher"], &data["number"]);
                self.note(
                    listener,
                    &format!("{channel} {position} {publisher}/{number}"),
                );
                (channel, *position)
            }
            Told::Gap { channel, from, to } => {
                let from = from.map_or("?".to_owned(), |from| from.to_string());
                self.note(listener, &format!("{channel} gap {from}-{to}"));
                (channel, *to)
            }
        };
        let mut told_of = None;
        for (channel, now) in channels.iter().zip(&item.positions) {
            let walks = &mut self.listeners[listener].walks;
            let walk = walks.get_mut(channel).expect("made when it was opened");
            let stood = mem::replace(&mut walk.at, *now);
            if channel == name {
                told_of = Some((*channel, stood, *now));
            } else if stood.offset != now.offset {
                return Err(format!("{channel}: from {stood} to {now} without an item"));
            } else if stood.epoch != now.epoch {
                // Nothing was published there, and another epoch has begun.
                self.continues(channel, stood, *now);
            }
        }
        let Some((channel, stood, now)) = told_of else {
            return Err(format!("{name} is none of its channels"));
        };
        if now != position {
            return Err(format!("{channel}: its token says {now}, not {position}"));
        }
        self.check_step(listener, channel, stood, &item.told)
            .map_err(|wrong| format!("{channel}: {wrong}, behind {stood}"))
    }

    fn check_step(
        &mut self,
        listener: usize,
        channel: &'static str,
        stood: Position,
        told: &Told,
    ) -> Result<(), String> {
        let generation = self.generation;
        let walk = self.listeners[listener].walks.get_mut(channel);
        let given = &mut walk.expect("made when it was opened").given;
        let position = match told {
            Told::Opened => return Ok(()),
            Told::Publication { position, data, .. } => {
                let id = payload::read(data, channel)?;
                if position.offset != stood.offset + 1 {
                    return Err(format!("{position}"));
                }
                if !given.insert(id) {
                    return Err(format!("{id:?} again, at {position}"));
                }
                self.ledger(channel).is_at(id, *position, generation)?;
                self.figures.deliveries += 1;
                self.measure(listener, channel, id);
                position
            }
            Told::Gap {
                from: Some(from),
                to,
                ..
            } => {
                if *from != stood.offset + 1 || to.offset < *from {
                    return Err(format!("a gap {from}-{to}"));
                }
                self.figures.counted_gaps += 1;
                self.ledger(channel).check_gap(*from, *to, generation)?;
                to
            }
            Told::Gap { from: None, to, .. } => {
                given.clear();
                self.figures.uncounted_gaps += 1;
                return match generation.loses {
                    true => Ok(()),
                    false => Err(format!(
                        "a gap to {to} that cannot be counted, although nothing lost data"
                    )),
                };
            }
        };
        if position.epoch != stood.epoch {
            self.continues(channel, stood, *position);
        }
        Ok(())
    }

    fn continues(&mut self, channel: &str, stood: Position, now: Position) {
        self.figures.epoch_changes += 1;
        self.ledger(channel).continues(stood, now.epoch);
    }

    fn measure(&mut self, listener: usize, channel: &str, id: Id) {
        let attempted = self.ledger(channel).attempted(id);
        let listener = &self.listeners[listener];
        let (Some(calm), Some(attempted), Some(connected)) =
            (self.calm, attempted, listener.connected)
        else {
            return;
        };
        if listener.keeps_up && attempted > calm && attempted > connected {
            let latency: Duration = attempted.elapsed();
            self.figures.calm_deliveries += 1;
            self.figures.worst_calm_latency = self.figures.worst_calm_latency.max(latency);
        }
    }
}
