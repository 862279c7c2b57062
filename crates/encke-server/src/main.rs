//! The encke program: a push server beside any back end, and the two commands that speak to one.

mod cli;
mod config;
mod duration;

mod serve;

mod banner;
mod broker;
mod demo;
mod health;
mod memory;
mod site;
mod statistics;
mod stop;

mod hosts;
mod publishers;
mod tls;
mod token;

mod client;
mod publish;
mod socket;
mod subscribe;

use std::{error::Error, io::Write, process::ExitCode};

use clap::Parser;

use self::{cli::Opts, config::Config};

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "encke: {}", in_one_line(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), BoxError> {
    match Config::try_from(Opts::parse())? {
        Config::Serve(config) => serve::run(config),
        Config::Publish(config) => publish::run(config),
        Config::Subscribe(config) => subscribe::run(config),
    }
}

/// An error and what caused it, outermost first.
fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line.replace(['\r', '\n'], " ")
}
