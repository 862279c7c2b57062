//! A way to load servers, and what is compared.

use super::{Task, peer::Peer};
use crate::transport::Transport;

pub(super) struct Mode {
    /// What `--modes` says.
    pub(super) name: &'static str,
    /// The heading of its column.
    pub(super) title: &'static str,
    pub(super) table: Table,
    /// What the load program is told.
    pub(super) load: Load,
    pub(super) arguments: &'static [&'static str],
    /// The same without what is to be measured, of which the rest is the cost of something else.
    pub(super) less: Option<&'static [&'static str]>,
    pub(super) reference: Reference,
    /// What is compared, of the load program's report.
    pub(super) metric: &'static str,
    /// What is shown beside it.
    pub(super) shown: &'static [Shown],
    /// Whether every run needs a server that has seen none.
    pub(super) fresh: bool,
    /// Whether transports make no difference.
    pub(super) once: bool,
    /// Pairs at most, unless the user asks for more.
    pub(super) pairs: usize,
    /// Who is measured if nobody is named.
    pub(super) everyone: bool,
    /// Whether a run takes a minute.
    pub(super) long: bool,
}

/// A table of the report, one after the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Table {
    Fanout,
    Crowds,
    Idle,
    Connect,
    Echo,
    Stalled,
    Publish,
}

/// A command of the load program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Load {
    Fanout,
    Idle,
    Connect,
    Recover,
    Echo,
}

/// What a server is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference {
    /// The bare loop, with these options.
    Limit(&'static [&'static str]),
    /// Another instance of it, loaded like this.
    Itself(&'static [&'static str]),
}

/// A field of the report that has a column of its own.
pub(super) struct Shown {
    pub(super) title: &'static str,
    pub(super) field: &'static str,
}

impl Load {
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Idle => "idle",
            Self::Connect | Self::Recover => "connect",
            Self::Echo => "echo",
        }
    }
}

impl Mode {
    /// Whether a peer can be loaded like this.
    pub(super) fn suits(&self, peer: &Peer) -> bool {
        match self.load {
            Load::Echo => peer.echo.is_some(),
            Load::Recover => peer.recover.is_some(),
            _ => true,
        }
    }

    /// What to measure of a peer.
    pub(super) fn tasks(&'static self, peer: &'static Peer) -> Vec<Task> {
        let task = |transport| Task {
            peer,
            transport,
            mode: self,
        };
        if self.load == Load::Echo {
            return vec![task(None)];
        }
        let count = if self.once { 1 } else { usize::MAX };
        let transports = peer.routes.iter().take(count).map(|route| route.transport);
        transports
            .map(|transport: Transport| task(Some(transport)))
            .collect()
    }
}
