//! Hubs over a simulated engine and network, in which everything that can go wrong does.
//!
//! A seed decides a schedule: what is published, who listens where, what is lost, cut and killed. The
//! clock is tokio's, paused, and one thread runs it all, so the same seed does the same again.
#![allow(clippy::print_stdout, reason = "its report is for who started it")]

mod checker;
mod connection;
mod data;
mod engine;
mod events;
mod feed;
mod herd;
mod network;
mod node;
mod profile;
mod questions;
mod report;
mod rng;
mod schedule;
mod simulated_broker;
mod steps;
mod subscriber;
mod truth;
mod world;

pub(crate) use self::report::{State, reached};

use self::{report::Report, schedule::Failure};
use std::{
    cell::Cell,
    env,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// Schedules of one test run.
const SCHEDULES: u64 = 2_000;

thread_local! {
    static HAS_PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Runs the schedules of these seeds on every core; gives what they reached.
fn simulate(first: u64, schedules: u64) -> Report {
    notice_panics();
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Report::default());
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < first + schedules
                {
                    if let Err(failure) = try_seed(seed, false) {
                        // What the others do is not looked at any more.
                        next.store(first + schedules, Ordering::Relaxed);
                        fail(seed, &failure);
                    }
                }
                let mut sum = sum.lock().expect("no thread panics with it");
                sum.add(&Report::take());
            });
        }
    });
    let took = begun.elapsed();
    let report = sum.into_inner().expect("no thread panics with it");
    println!(
        "{schedules} schedules in {took:.1?}, {:.1?} each\n{report}",
        took / schedules as u32
    );
    report
}

fn try_seed(seed: u64, is_traced: bool) -> Result<(), Failure> {
    HAS_PANICKED.set(false);
    let run = panic::catch_unwind(AssertUnwindSafe(|| schedule::run(seed, is_traced)));
    let panicked = || {
        Err(Failure {
            what: "a panic".to_owned(),
            trace: Vec::new(),
        })
    };
    match run {
        Ok(Ok(())) if !HAS_PANICKED.get() => Ok(()),
        Ok(Err(failure)) => Err(failure),
        _ => panicked(),
    }
}

/// Runs it again, to tell what happened.
fn fail(seed: u64, failure: &Failure) -> ! {
    let again = try_seed(seed, true).err();
    let trace = again.as_ref().map_or(&[][..], |again| &again.trace);
    for line in trace {
        println!("{line}");
    }
    let same = again
        .as_ref()
        .is_some_and(|again| again.what == failure.what);
    panic!("seed {seed}: {} (again: {same})", failure.what);
}

/// A task that panics ends alone: its schedule fails with it.
fn notice_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            HAS_PANICKED.set(true);
            usual(info);
        }));
    });
}

#[test]
fn simulation_keeps_the_rule_whatever_happens_and_reaches_every_state() {
    let report = simulate(0, SCHEDULES);
    assert_eq!(report.unreached(), Vec::<&str>::new());
}

/// `cargo xtask simulate`
#[test]
#[ignore = "as many schedules as one likes"]
fn simulation_of_many_schedules() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("ENCKE_SIMULATE_SEED").unwrap_or(0);
    simulate(
        first,
        number("ENCKE_SIMULATE_SCHEDULES").unwrap_or(SCHEDULES),
    );
}
