//! An engine under a broker: a real server, to be killed, paused, and started again where it was.

mod certificate;
mod free_port;
mod nats_client;
mod resp;

mod redis;
pub use redis::{Redis, RedisBuilder};

mod redis_cluster;
pub use redis_cluster::{RedisCluster, RedisClusterBuilder};

mod sentinel;
pub use sentinel::Sentinel;

mod nats;
pub use nats::{Nats, NatsBuilder};

mod nats_cluster;
pub use nats_cluster::NatsCluster;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::process::Signal;
use tokio::process::Command;

use crate::patience::Patience;
use crate::process::Process;
use free_port::free_port;

/// How often an engine may find the port taken that was free.
const TRIES: usize = 5;

/// How one kind of engine is started, and seen to be ready.
trait Recipe: Send + Sync {
    /// Listens on `port` of the loopback address, in the foreground.
    fn command(&self, port: u16) -> Command;

    /// Whether the one that this recipe has started answers: another may have got the port.
    fn answers(&self, port: u16) -> impl Future<Output = bool> + Send;
}

/// A running engine, killed when dropped, also while it is paused.
struct Engine<R> {
    // First, so that it ends before its folder goes with the recipe.
    process: Process,
    port: u16,
    state: State,
    recipe: R,
}

/// What the tests have made of it.
#[derive(PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Killed,
}

impl<R: Recipe> Engine<R> {
    /// Starts it on a free port; returns once it answers.
    async fn start(recipe: R) -> Self {
        let mut told = String::new();
        for _ in 0..TRIES {
            let port = free_port();
            match attempt(&recipe, port).await {
                Ok(process) => {
                    return Self {
                        process,
                        port,
                        state: State::Running,
                        recipe,
                    };
                }
                Err(words) => told = words,
            }
            assert!(is_taken(&told), "the engine does not start: {told}");
        }
        panic!("the engine found {TRIES} free ports taken: {told}");
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Whether somebody who asks it something may expect an answer.
    fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Kills it as `kill -9` does; returns once it is gone.
    async fn kill(&mut self) {
        self.state = State::Killed;
        self.process.kill().await;
    }

    /// Starts it again on its port, after killing it if it runs; returns once it answers.
    async fn restart(&mut self) {
        self.kill().await;
        let patience = Patience::until(format!("port {} is free again", self.port));
        loop {
            match attempt(&self.recipe, self.port).await {
                Ok(process) => {
                    self.process = process;
                    self.state = State::Running;
                    return;
                }
                Err(words) => {
                    assert!(is_taken(&words), "the engine does not restart: {words}");
                    patience.wait(words).await;
                }
            }
        }
    }

    /// Stops it in the middle of whatever it does; its connections stay open.
    fn pause(&mut self) {
        self.process.signal(Signal::STOP);
        self.process.wait_until_stopped();
        self.state = State::Paused;
    }

    fn resume(&mut self) {
        self.process.signal(Signal::CONT);
        self.state = State::Running;
    }
}

/// A process that answers on `port`, or what it said before it ended.
async fn attempt(recipe: &impl Recipe, port: u16) -> Result<Process, String> {
    let mut process = Process::start(recipe.command(port));
    let patience = Patience::until("the engine answers");
    while !recipe.answers(port).await {
        if process.has_ended() {
            return Err(process.last_words().await);
        }
        patience.wait("it does not").await;
    }
    Ok(process)
}

fn is_taken(words: &str) -> bool {
    words.to_lowercase().contains("address already in use")
}

/// A command for a server, which Debian keeps out of the `PATH` of people.
fn server(name: &str) -> Command {
    let mut command = Command::new(name);
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    command.env("PATH", path);
    command
}
