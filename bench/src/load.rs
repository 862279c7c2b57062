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

use std::time::Instant;

use crate::{
    BoxError,
    cli::{Load, ServerOpts},
    machine,
};

/// Loads a server, and prints what was measured.
pub(crate) fn run(load: &Load) -> Result<(), BoxError> {
    let line = match load {
        Load::Fanout(opts) => serde_json::to_string(&fanout::run(opts)?),
        Load::Idle(opts) => serde_json::to_string(&idle::run(opts)?),
        Load::Connect(opts) => serde_json::to_string(&connect::run(opts)?),
        Load::Echo(opts) => serde_json::to_string(&echo::run(opts)?),
    };
    println!("{}", line?);
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
