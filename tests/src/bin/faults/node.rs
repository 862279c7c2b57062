//! A node with somebody who starts it again whenever it has ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use encke_tests::Program;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::checker::Checker;
use crate::door::Door;
use crate::exchange::{self, Receives};

/// Lines of a node that are shown when it has failed.
const SHOWN: usize = 40;

/// How often a node is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// Between two attempts at a start.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// What a node ends with that cannot reach its broker at its start.
const NO_BROKER: &str = "encke: cannot start with this --broker";

/// More memory than this is more than what it keeps can explain.
const MOST_MEMORY: u64 = 256 << 20;

/// What may be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Kill,
    /// As at the end of a day: its sessions are told to go elsewhere.
    Stop,
    /// Starts it where it does not run, and again until that works.
    Start,
    Pause,
    Resume,
}

/// A node, whichever process that is.
pub(crate) struct Node {
    pub(crate) door: Arc<Door>,
    orders: mpsc::UnboundedSender<Order>,
    is_up: Arc<AtomicBool>,
}

impl Node {
    /// Starts it with these options.
    pub(crate) async fn start(number: usize, options: Vec<String>, checker: Arc<Checker>) -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        let door = Door::new().await;
        let is_up = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            number,
            options,
            checker,
            door: door.clone(),
            is_up: is_up.clone(),
            program: None,
            is_wanted: true,
            last: VecDeque::new(),
        };
        tokio::spawn(keeper.run(ordered));
        Self {
            door,
            orders,
            is_up,
        }
    }

    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Whether it runs and says that it may be sent requests.
    pub(crate) async fn is_ready(&self) -> bool {
        if !self.is_up.load(Ordering::SeqCst) {
            return false;
        }
        let request = "GET /readyz HTTP/1.1\r\nconnection: close\r\n";
        let asked = exchange::ask(self.door.node(), Receives::Much, request, b"");
        let asked = timeout(Duration::from_secs(1), asked).await;
        matches!(asked, Ok(Ok((head, _))) if head.status().is_success())
    }
}

/// Who looks after a node.
struct Keeper {
    number: usize,
    options: Vec<String>,
    checker: Arc<Checker>,
    door: Arc<Door>,
    is_up: Arc<AtomicBool>,
    program: Option<Program>,
    is_wanted: bool,
    last: VecDeque<String>,
}

impl Keeper {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            if self.is_wanted && self.program.is_none() {
                self.start().await;
            }
            tokio::select! {
                order = orders.recv() => {
                    let Some(order) = order else { return };
                    self.handle(order).await;
                }
                () = sleep(LOOK) => {}
            }
            self.look();
        }
    }

    async fn start(&mut self) {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        match Program::try_start_as(&options).await {
            Ok(program) => {
                self.door.lead_to(program.origin());
                self.program = Some(program);
                self.is_up.store(true, Ordering::SeqCst);
            }
            Err(words) if words.contains(NO_BROKER) && !words.contains("panicked") => {
                self.checker.count(|figures| figures.starts_refused += 1);
                sleep(TRY_AGAIN).await;
            }
            Err(words) => self
                .checker
                .fail(&format!("node {} does not start: {words}", self.number)),
        }
    }

    async fn handle(&mut self, order: Order) {
        if order == Order::Start {
            self.is_wanted = true;
            return;
        }
        let ends = matches!(order, Order::Kill | Order::Stop);
        if ends {
            self.is_wanted = false;
        }
        let Some(program) = &mut self.program else {
            return;
        };
        match order {
            Order::Kill => program.kill().await,
            Order::Stop => {
                program.stop();
                while !program.has_ended() {
                    sleep(LOOK).await;
                }
            }
            Order::Pause => program.pause(),
            Order::Resume => program.resume(),
            Order::Start => {}
        }
        if ends {
            self.door.proxy.refuse();
            self.is_up.store(false, Ordering::SeqCst);
            self.look();
            self.program = None;
        }
    }

    /// Sees whether it is as it should be.
    fn look(&mut self) {
        let Some(program) = &mut self.program else {
            return;
        };
        let printed = program.printed();
        let has_panicked = printed.iter().any(|line| line.contains("panicked at"));
        for line in printed {
            if self.last.len() == SHOWN {
                self.last.pop_front();
            }
            self.last.push_back(line);
        }
        let memory = program.peak_memory().unwrap_or_default();
        self.checker
            .count(|figures| figures.peak_memory = figures.peak_memory.max(memory));
        let trouble = if has_panicked {
            "has panicked"
        } else if self.is_wanted && program.has_ended() {
            "has ended, and nobody has asked it to"
        } else if memory > MOST_MEMORY {
            "has taken too much memory"
        } else {
            return;
        };
        let last: Vec<&str> = self.last.iter().map(String::as_str).collect();
        self.checker.fail(&format!(
            "node {} {trouble}:\n{}",
            self.number,
            last.join("\n")
        ));
    }
}
