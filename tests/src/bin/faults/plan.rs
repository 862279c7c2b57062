//! Which faults a round has, and when: the same for the same seed.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::dice::Dice;
use crate::engine::{Kind, PAIRS};

/// Within which a round's faults begin.
const BEGIN: u64 = 4_000;

/// Something that goes wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NodeKilled(usize),
    NodeStopped(usize),
    NodePaused(usize),
    ClientsCut(usize),
    ClientsStalled(usize),
    ClientsSlow(usize),
    LinkCut(usize),
    LinkRefused(usize),
    LinkStalled(usize),
    EngineSlow,
    EngineKilled,
    EngineEmptied,
    /// It has forgotten what was published since the fault began.
    EngineSetBack,
    EnginePaused,
    MasterRestarted(usize),
    MasterKilled(usize),
    MasterPaused(usize),
    MasterEmptied(usize),
    ReplicaKilled(usize),
    /// The replica that takes over was told nothing since the fault began.
    FailedOver(usize),
}

/// What two faults cannot happen to at once.
#[derive(PartialEq, Eq)]
enum Place {
    Node(usize),
    Clients(usize),
    Link(usize),
    Speed,
    Engine(usize),
}

impl Fault {
    /// Its kind.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NodeKilled(_) => "node killed",
            Self::NodeStopped(_) => "node stopped",
            Self::NodePaused(_) => "node paused",
            Self::ClientsCut(_) => "clients cut",
            Self::ClientsStalled(_) => "clients stalled",
            Self::ClientsSlow(_) => "clients slow",
            Self::LinkCut(_) => "link cut",
            Self::LinkRefused(_) => "link refused",
            Self::LinkStalled(_) => "link stalled",
            Self::EngineSlow => "engine slow",
            Self::EngineKilled => "engine killed",
            Self::EngineEmptied => "engine emptied",
            Self::EnginePaused => "engine paused",
            Self::EngineSetBack => "engine set back",
            Self::MasterRestarted(_) => "master restarted",
            Self::MasterKilled(_) => "master killed",
            Self::MasterPaused(_) => "master paused",
            Self::MasterEmptied(_) => "master emptied",
            Self::ReplicaKilled(_) => "replica killed",
            Self::FailedOver(_) => "failed over",
        }
    }

    fn place(self) -> Place {
        match self {
            Self::NodeKilled(node) | Self::NodeStopped(node) | Self::NodePaused(node) => {
                Place::Node(node)
            }
            Self::ClientsCut(node) | Self::ClientsStalled(node) | Self::ClientsSlow(node) => {
                Place::Clients(node)
            }
            Self::LinkCut(link) | Self::LinkRefused(link) | Self::LinkStalled(link) => {
                Place::Link(link)
            }
            Self::EngineSlow => Place::Speed,
            Self::EngineKilled | Self::EngineEmptied | Self::EngineSetBack | Self::EnginePaused => {
                Place::Engine(0)
            }
            Self::MasterRestarted(pair)
            | Self::MasterKilled(pair)
            | Self::MasterPaused(pair)
            | Self::MasterEmptied(pair)
            | Self::ReplicaKilled(pair)
            | Self::FailedOver(pair) => Place::Engine(pair),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.place() {
            Place::Node(of) | Place::Clients(of) | Place::Link(of) => {
                write!(f, "{} ({of})", self.name())
            }
            Place::Engine(of) => write!(f, "{} ({of})", self.name()),
            Place::Speed => f.write_str(self.name()),
        }
    }
}

/// A fault with its times, from the begin of the round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) fault: Fault,
    pub(crate) begins: Duration,
    pub(crate) ends: Duration,
}

/// A round.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether an engine may lose what it has answered for.
    pub(crate) loses: bool,
    pub(crate) faults: Vec<Timed>,
}

impl Plan {
    pub(crate) fn new(seed: u64, round: usize, kind: Kind, nodes: usize, links: usize) -> Self {
        let mut dice = Dice::new(seed, kind.name(), round);
        let loses = dice.one_in(3);
        let mut plan = Self {
            loses,
            faults: Vec::new(),
        };
        if loses {
            let fault = losing(&mut dice, kind);
            plan.add(fault, &mut dice);
        }
        for _ in 0..3 + dice.below(4) {
            let fault = any(&mut dice, kind, nodes, links);
            plan.add(fault, &mut dice);
        }
        plan.faults.sort_by_key(|timed| timed.begins);
        plan
    }

    /// Adds it, unless something happens there already.
    fn add(&mut self, fault: Fault, dice: &mut Dice) {
        let begins = dice.time(0..BEGIN);
        let lasts = match fault {
            Fault::MasterKilled(_) | Fault::MasterPaused(_) => dice.time(1_500..4_000),
            _ if dice.one_in(3) => dice.time(1_500..4_500),
            _ => dice.time(100..1_000),
        };
        let timed = Timed {
            fault,
            begins,
            ends: begins + lasts,
        };
        let collides = |other: &Timed| {
            other.fault.place() == fault.place() && other.begins < timed.ends && begins < other.ends
        };
        if !self.faults.iter().any(collides) {
            self.faults.push(timed);
        }
    }
}

/// A fault with which what was acknowledged may be lost.
fn losing(dice: &mut Dice, kind: Kind) -> Fault {
    let pair = dice.below(PAIRS);
    match kind {
        Kind::Redis | Kind::Nats if dice.one_in(2) => Fault::EngineSetBack,
        Kind::Redis | Kind::Nats => Fault::EngineEmptied,
        Kind::RedisCluster => match dice.below(6) {
            0 => Fault::MasterKilled(pair),
            1 => Fault::MasterPaused(pair),
            2 => Fault::MasterEmptied(pair),
            _ => Fault::FailedOver(pair),
        },
    }
}

/// A fault with which nothing is.
fn any(dice: &mut Dice, kind: Kind, nodes: usize, links: usize) -> Fault {
    let (node, link, pair) = (dice.below(nodes), dice.below(links), dice.below(PAIRS));
    match (dice.below(13), kind) {
        (0, _) => Fault::NodeKilled(node),
        (1, _) => Fault::NodeStopped(node),
        (2, _) => Fault::NodePaused(node),
        (3, _) => Fault::ClientsCut(node),
        (4, _) => Fault::ClientsStalled(node),
        (5, _) => Fault::ClientsSlow(node),
        (6, _) => Fault::LinkCut(link),
        (7, _) => Fault::LinkRefused(link),
        (8, _) => Fault::LinkStalled(link),
        (9, _) => Fault::EngineSlow,
        (10 | 11, Kind::Redis | Kind::Nats) => Fault::EngineKilled,
        (_, Kind::Redis | Kind::Nats) => Fault::EnginePaused,
        (10 | 11, Kind::RedisCluster) => Fault::MasterRestarted(pair),
        (_, Kind::RedisCluster) => Fault::ReplicaKilled(pair),
    }
}
