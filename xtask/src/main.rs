//! `cargo xtask …`: what a contributor runs.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
)]

use std::env;
use std::process::ExitCode;

mod autobahn;
mod bench;
mod checks;
mod faults;
mod setup;
mod simulate;
mod step;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup          install what the tests need and this machine lacks
  test           setup, then every check and test, browsers included
  test --quick   the checks and tests that need nothing but Rust and a C compiler
  autobahn [CASES]
                 the Autobahn suite of ENCKE_AUTOBAHN, all of it or these cases
  simulate [--schedules N] [--seed S]
                 hubs over an engine and a network that fail, a million times
  faults [--seed N] [--minutes M] [--broker redis|redis-cluster|nats|all]
                 nodes and engines broken at random while a checker looks for what is lost
  bench [--quick] [--peers A,B] [--transports T,U] [--modes M,N] [--pairs N]
                 what encke and others spend, into docs/benchmarks.md (see bench/README.md)
  bench brokers [--quick] [--brokers A,B] [--modes M,N] [--pairs N]
                 what a broker costs, into docs/brokers.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["setup"] => setup::everything(),
        ["test"] => setup::everything().and_then(|()| checks::everything()),
        ["autobahn", cases @ ..] => autobahn::run(cases),
        ["simulate", arguments @ ..] => simulate::run(arguments),
        ["faults", arguments @ ..] => faults::run(arguments),
        ["bench", arguments @ ..] => bench::run(arguments),
        ["test", "--quick"] => setup::toolchain().and_then(|()| checks::rust_only()),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => Err(format!("unknown: {}\n\n{USAGE}", arguments.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
