//! How fast and how small servers of live events are, measured the same way for all of them.
//!
//! `load` is the clients and the publisher, in one thread; `limit` is a server that does nothing but
//! write bytes it has encoded already; `compare` starts servers, runs `load` against each and the
//! limit in turn, and writes the tables and charts; `brokers` does the same with encke on two nodes and on
//! one.
#![cfg(target_os = "linux")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person or the program that started it"
)]

use std::{error::Error, process::ExitCode};

use clap::Parser;

mod brokers;
mod cell;
mod cli;
mod compare;
mod counters;
mod histogram;
mod host;
mod http;
mod limit;
mod load;
mod machine;
mod markdown;
mod place;
mod poll;
mod process;
mod server;
mod stamp;
mod transport;
mod ws;

type BoxError = Box<dyn Error + Send + Sync>;

/// Does what the command line says.
pub fn main() -> ExitCode {
    match run(cli::Opts::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("encke-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(opts: cli::Opts) -> Result<(), BoxError> {
    machine::allow_many_descriptors();
    match opts.command {
        cli::Command::Limit(limit) => limit::run(&limit),
        cli::Command::Load(load) => load::run(&load),
        cli::Command::Compare(compare) => compare::run(&compare),
        cli::Command::Brokers(brokers) => brokers::run(&brokers),
    }
}
