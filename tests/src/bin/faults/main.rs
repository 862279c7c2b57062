//! The fault campaign: nodes and an engine that are broken in every way, and everyone who listens
//! holds them to the rule.
//!
//! `cargo xtask faults` starts it. The program is built as tests are, with debug assertions.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
)]

mod dice;

mod engine;
mod plan;

mod door;
mod node;

mod exchange;
mod payload;
mod stream;

mod listener;
mod publisher;

mod checker;
mod figures;
mod ledger;

mod campaign;

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use campaign::Length;
use encke_tests::Program;
use engine::Kind;

const USAGE: &str = "\
usage: faults [--seed N] [--minutes M | --rounds N] [--broker redis|redis-cluster|nats|all]

  --seed     the same faults again, if not to the same moment; another seed every time without
  --minutes  how long, for each broker; 1 without
  --rounds   how many rounds of faults, for each broker";

struct Options {
    seed: u64,
    length: Length,
    kinds: Vec<Kind>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options {
        seed,
        length,
        kinds,
    } = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("faults: {error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    Program::build();
    for kind in kinds {
        let name = kind.name();
        println!("{name}, seed {seed}");
        let begun = Instant::now();
        let (figures, broken) = campaign::run(kind, seed, length).await;
        println!("{figures}\n  in {:.0?}", begun.elapsed());
        if let Some(broken) = broken {
            eprintln!("\nthe rule is broken over {name}, seed {seed}\n\n{broken}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn options() -> Result<Options, String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut options = Options {
        seed: since.map_or(0, |since| since.as_secs()),
        length: Length::Time(Duration::from_secs(60)),
        kinds: Kind::ALL.to_vec(),
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let invalid = || format!("{word}: {value:?} makes no sense");
        match word.as_str() {
            "--seed" => options.seed = value.parse().map_err(|_| invalid())?,
            "--rounds" => options.length = Length::Rounds(value.parse().map_err(|_| invalid())?),
            "--minutes" => {
                let minutes: f64 = value.parse().map_err(|_| invalid())?;
                let time = Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| invalid())?;
                options.length = Length::Time(time);
            }
            "--broker" if value == "all" => {}
            "--broker" => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == value);
                options.kinds = vec![kind.ok_or_else(invalid)?];
            }
            _ => return Err(format!("unknown: {word}")),
        }
    }
    Ok(options)
}
