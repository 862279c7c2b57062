//! The ways to load nodes.

use crate::transport::Transport;

pub(super) struct Mode {
    /// What `--modes` says.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) load: Load,
    pub(super) transport: Transport,
    /// What the load program is told besides.
    pub(super) arguments: &'static [&'static str],
    /// Pairs at most, unless the user asks for more.
    pub(super) pairs: usize,
}

/// What is done, and so what CPU is divided by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Load {
    /// Many publish: microseconds a publication.
    Publish,
    /// Many listen: seconds a million deliveries.
    Deliver,
    /// Nothing is said: milliseconds a check period.
    Check,
}

const ONE: &[&str] = &["--subscribers", "1000"];
const BURST: &[&str] = &["--subscribers", "1000", "--burst", "50"];

pub(super) const MODES: &[Mode] = &[
    publish("publish1", "1 publisher, 1 channel", &["--writers", "1"]),
    publish("publish8", "8 publishers, 1 channel", &["--writers", "8"]),
    publish(
        "publish64",
        "64 publishers, 1 channel",
        &["--writers", "64"],
    ),
    publish(
        "publish1x64",
        "1 publisher, 64 channels",
        &["--writers", "1", "--channels", "64"],
    ),
    publish(
        "publish8x64",
        "8 publishers, 64 channels",
        &["--writers", "8", "--channels", "64"],
    ),
    publish(
        "publish64x64",
        "64 publishers, 64 channels",
        &["--writers", "64", "--channels", "64"],
    ),
    deliver("closed", "SSE, one at a time", Transport::Sse, ONE),
    deliver("burst50", "SSE, 50 at once", Transport::Sse, BURST),
    deliver("closed-ws", "WebSocket, one at a time", Transport::Ws, ONE),
    deliver("burst50-ws", "WebSocket, 50 at once", Transport::Ws, BURST),
    Mode {
        name: "check",
        title: "10,000 quiet channels",
        load: Load::Check,
        transport: Transport::Sse,
        arguments: &["--connections", "10000", "--channels", "10000"],
        pairs: 3,
    },
];

const fn publish(
    name: &'static str,
    title: &'static str,
    arguments: &'static [&'static str],
) -> Mode {
    Mode {
        name,
        title,
        load: Load::Publish,
        transport: Transport::Ndjson,
        arguments,
        pairs: 9,
    }
}

const fn deliver(
    name: &'static str,
    title: &'static str,
    transport: Transport,
    arguments: &'static [&'static str],
) -> Mode {
    Mode {
        name,
        title,
        load: Load::Deliver,
        transport,
        arguments,
        pairs: 9,
    }
}

impl Load {
    /// Of the load program.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Deliver => "fanout",
            Self::Check => "idle",
        }
    }
}
