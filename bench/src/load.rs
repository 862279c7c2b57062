//! The clients and the publisher, in one thread that never sleeps while it measures: so no server
//! pays for waking it, and it costs less than any server does.

mod connect;
mod crowd;
mod echo;
mod fanout;
mod http2;
mod idle;
mod listener;
mod publisher;
mod request;
mod stream;
mod subscriber;
mod tally;
mod usage;
mod writers;

use std::time::Instant;

use crate::{
    BoxError,
    cli::{Load, ServerOpts},
    machine,
};

/// What makes a report none.
const WRONG: [&str; 4] = ["lost", "again", "disordered", "damaged"];

/// Loads a server, and prints what was measured; fails where not everything arrived once.
pub(crate) fn run(load: &Load) -> Result<(), BoxError> {
    let report = match load {
        Load::Fanout(opts) => serde_json::to_value(fanout::run(opts)?),
        Load::Publish(opts) => serde_json::to_value(writers::run(opts)?),
        Load::Idle(opts) => serde_json::to_value(idle::run(opts)?),
        Load::Connect(opts) => serde_json::to_value(connect::run(opts)?),
        Load::Echo(opts) => serde_json::to_value(echo::run(opts)?),
    }?;
    println!("{report}");
    for wrong in WRONG {
        if report[wrong].as_u64() > Some(0) {
            return Err(format!("{} {wrong}", report[wrong]).into());
        }
    }
    Ok(())
}

fn pin(server: &ServerOpts) -> Result<(), BoxError> {
    server.core.map_or(Ok(()), machine::pin)
}

/// Nanoseconds since the load program began.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}
