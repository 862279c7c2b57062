//! A run over one engine: rounds of faults, and behind each the question whether everyone has all.

mod breaking;
mod settling;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::checker::Checker;
use crate::dice::Dice;
use crate::door::{Mode, World};
use crate::engine::{Engine, Kind};
use crate::ledger::{HISTORY, HISTORY_AGE};
use crate::listener::{self, Listener};
use crate::node::Node;
use crate::payload::CHANNELS;
use crate::plan::Plan;
use crate::publisher::{self, AT_WORK, Publisher};

const NODES: usize = 3;
const LISTENERS: usize = 40;
const PUBLISHERS: u32 = 8;

/// Who publishes at the end of each round.
const MARKER: u32 = PUBLISHERS;

/// How long nothing is broken between two rounds.
const CALM: Duration = Duration::from_millis(1_500);

/// How long a run goes on.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Rounds(usize),
    Time(Duration),
}

/// Runs; gives the figures, and what broke the rule.
pub(crate) async fn run(kind: Kind, seed: u64, length: Length) -> (String, Option<String>) {
    let mut campaign = Campaign::begin(kind, seed).await;
    let begun = Instant::now();
    let mut round = 0;
    while !campaign.checker.is_broken() {
        let goes_on = match length {
            Length::Rounds(rounds) => round < rounds,
            Length::Time(time) => begun.elapsed() < time,
        };
        if !goes_on {
            break;
        }
        // The harness panics where an engine does not do what it should.
        if let Err(panic) = AssertUnwindSafe(campaign.round(round)).catch_unwind().await {
            let words = panic
                .downcast_ref::<String>()
                .map_or("panicked", String::as_str);
            campaign.checker.fail(&format!("round {round}: {words}"));
        }
        round += 1;
    }
    campaign.end().await;
    (campaign.checker.figures(), campaign.checker.broken())
}

struct Campaign {
    kind: Kind,
    seed: u64,
    engine: Engine,
    nodes: Vec<Node>,
    checker: Arc<Checker>,
    mode: watch::Sender<Mode>,
    world: World,
    clients: JoinSet<()>,
    marker: Publisher,
    /// Numbers of those who ask a node for its history.
    auditors: Vec<usize>,
}

impl Campaign {
    async fn begin(kind: Kind, seed: u64) -> Self {
        let checker = Arc::new(Checker::new());
        let engine = Engine::start(kind, NODES).await;
        let mut nodes = Vec::new();
        for node in 0..NODES {
            nodes.push(Node::start(node, options(&engine.url(node)), checker.clone()).await);
        }
        let (mode, watched) = watch::channel(Mode::Busy);
        let world = World {
            doors: nodes.iter().map(|node| node.door.clone()).collect(),
            mode: watched,
            checker: checker.clone(),
        };
        let auditors = 0..NODES * CHANNELS.len();
        let auditors = auditors
            .map(|auditor| checker.add_listener(format!("auditor {auditor}"), &[], false))
            .collect();
        let mut campaign = Self {
            kind,
            seed,
            engine,
            nodes,
            checker,
            mode,
            world,
            clients: JoinSet::new(),
            marker: publisher(seed, MARKER),
            auditors,
        };
        campaign.wait_until_ready().await;
        campaign.let_clients_in();
        campaign
    }

    fn let_clients_in(&mut self) {
        for number in 0..LISTENERS {
            let listener = Listener::new(self.seed, number, &CHANNELS);
            let keeps_up = listener.habit == listener::Habit::Stays;
            let number =
                self.checker
                    .add_listener(listener.name(number), &listener.channels, keeps_up);
            self.clients
                .spawn(listener::run(listener, number, self.world.clone()));
        }
        for number in 0..PUBLISHERS {
            let publisher = publisher(self.seed, number);
            self.clients
                .spawn(publisher::run(publisher, self.world.clone()));
        }
    }

    async fn round(&mut self, round: usize) {
        self.checker.begin_calm();
        sleep(CALM).await;
        let plan = Plan::new(self.seed, round, self.kind, NODES, self.engine.links());
        let loses = if plan.loses { ", with loss" } else { "" };
        self.checker.trace(&format!("round {round}{loses}"));
        self.checker.begin_round(plan.loses);
        self.engine.may_lose(plan.loses).await;
        self.break_things(&plan).await;
        if self.checker.is_broken() {
            return;
        }
        self.wait_until_ready().await;
        if !self.checker.is_broken() {
            self.settle(u32::try_from(round).expect("few")).await;
        }
        let _ = self.mode.send(Mode::Busy);
    }

    async fn end(&mut self) {
        let _ = self.mode.send(Mode::End);
        self.clients.abort_all();
        while self.clients.join_next().await.is_some() {}
        AT_WORK.store(0, Ordering::SeqCst);
    }
}

fn options(url: &str) -> Vec<String> {
    let options = [
        ("--broker", url),
        ("--history", &HISTORY.to_string()),
        ("--history-age", &format!("{}s", HISTORY_AGE.as_secs())),
        ("--check-period", "2s"),
        ("--broker-patience", "2s"),
        ("--keep-alive", "2s"),
    ];
    options
        .iter()
        .flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()])
        .collect()
}

fn publisher(seed: u64, number: u32) -> Publisher {
    Publisher {
        number,
        keyed: number.is_multiple_of(2),
        patience: Duration::from_millis(if number % 4 < 2 { 7_000 } else { 1_000 }),
        dice: Dice::new(seed, "publisher", number as usize),
    }
}
