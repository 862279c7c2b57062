//! What kind of schedule a seed gives: how large it is, what may happen in it, and how often.
//!
//! Schedules differ in what cannot happen at all, so that each fault meets every other one, and calm.

use super::rng::Rng;
use crate::HubConfig;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Profile {
    pub(super) nodes: usize,
    pub(super) channels: usize,
    pub(super) subscribers: usize,
    pub(super) steps: usize,
    /// The longest time between two steps, in milliseconds.
    pub(super) pause: u64,
    pub(super) config: HubConfig,
    /// Publications are so large that few of them fit anywhere.
    pub(super) is_large: bool,
    pub(super) network: Network,
    pub(super) faults: Faults,
    /// Of a thousand subscribers, those that read slowly.
    pub(super) slow: u64,
}

/// What every message meets, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Network {
    /// The usual delay, at most, in milliseconds.
    pub(super) delay: u64,
    pub(super) slow: u64,
    /// The delay of slow ones, at most, in milliseconds.
    pub(super) slow_delay: u64,
    pub(super) lost_requests: u64,
    pub(super) lost_answers: u64,
    pub(super) refused: u64,
    pub(super) lost_announcements: u64,
    pub(super) doubled_announcements: u64,
    /// Announcements of a connection that is no more.
    pub(super) late_announcements: u64,
}

/// How often each fault is drawn among the steps, beside 60 publications.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) cut: u32,
    pub(super) restart: u32,
    pub(super) lose_newest: u32,
    pub(super) lose_all: u32,
    pub(super) forget_channel: u32,
    pub(super) long_away: u32,
    pub(super) clock: u32,
    pub(super) kill: u32,
}

impl Profile {
    /// Nothing happens by itself.
    pub(super) fn calm(nodes: usize, channels: usize, config: HubConfig) -> Self {
        Self {
            nodes,
            channels,
            subscribers: 0,
            steps: 0,
            pause: 0,
            config,
            is_large: false,
            network: Network {
                delay: 3,
                ..Network::default()
            },
            faults: Faults::default(),
            slow: 0,
        }
    }

    pub(super) fn draw(rng: &mut Rng) -> Self {
        let is_large = rng.happens(15);
        let is_calm = rng.happens(200);
        Self {
            nodes: rng.between(1..=4) as usize,
            channels: rng.between(1..=3) as usize,
            subscribers: rng.between(2..=8) as usize,
            steps: rng.pick(&[50, 60, 80, 80, 120, 120, 200, 300]),
            pause: rng.pick(&[10, 100, 400, 1500]),
            config: config(rng, is_calm, is_large),
            is_large,
            network: network(rng),
            faults: if is_calm { harmless(rng) } else { faults(rng) },
            slow: rng.pick(&[0, 0, 200, 800]),
        }
    }
}

fn config(rng: &mut Rng, is_calm: bool, is_large: bool) -> HubConfig {
    let history = match is_calm {
        true => 10_000,
        false => rng.pick(&[0, 3, 20, 1_000]),
    };
    let age = match is_calm {
        true => 3_600_000,
        false => rng.pick(&[1_000, 10_000, 300_000]),
    };
    let bytes = match is_large {
        true => 2 << 20,
        false => rng.pick(&[400, 4 << 10, 1 << 20]),
    };
    HubConfig::default()
        .history(history, Duration::from_millis(age))
        .live_window(bytes, rng.millis(500..=10_000))
        .idempotency_window(rng.millis(5_000..=300_000))
        .broker_patience(Duration::from_millis(rng.pick(&[0, 1_000, 5_000, 30_000])))
        .check_period(rng.millis(1_000..=10_000))
}

fn network(rng: &mut Rng) -> Network {
    let mut often = |rates: &[u64]| match rng.happens(500) {
        true => 0,
        false => rng.pick(rates),
    };
    Network {
        slow: often(&[5, 50, 300]),
        lost_requests: often(&[5, 50, 200]),
        lost_answers: often(&[5, 50, 200]),
        refused: often(&[5, 50]),
        lost_announcements: often(&[5, 50, 300]),
        doubled_announcements: often(&[5, 50, 300]),
        late_announcements: often(&[100, 500]),
        delay: rng.pick(&[0, 3, 20, 100]),
        slow_delay: rng.pick(&[500, 3_000, 8_000]),
    }
}

/// Faults after which everything is still there.
fn harmless(rng: &mut Rng) -> Faults {
    let mut often = |rates: &[u32]| match rng.happens(500) {
        true => 0,
        false => rng.pick(rates),
    };
    Faults {
        cut: often(&[1, 5]),
        restart: often(&[1, 5]),
        kill: often(&[1, 5]),
        ..Faults::default()
    }
}

fn faults(rng: &mut Rng) -> Faults {
    let harmless = harmless(rng);
    let mut often = |rates: &[u32]| match rng.happens(600) {
        true => 0,
        false => rng.pick(rates),
    };
    Faults {
        lose_newest: often(&[1, 3]),
        lose_all: often(&[1, 2]),
        forget_channel: often(&[1, 2]),
        long_away: often(&[1]),
        clock: often(&[1, 3]),
        ..harmless
    }
}
