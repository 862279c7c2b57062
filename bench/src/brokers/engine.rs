//! The engine of a broker, started as its packages document it.

use std::{env, fs, path::PathBuf, process::Command};

use super::{Broker, nats, redis};
use crate::{BoxError, counters::Counter, place::Place, server::Server};

/// The servers of an engine, ended when dropped.
pub(super) struct Engine {
    /// What nodes are given.
    pub(super) url: String,
    /// What the load program is given.
    pub(super) counters: Vec<Counter>,
    pub(super) servers: Vec<Server>,
    // Last: they go when nobody writes there any more.
    pub(super) _folders: Vec<Folder>,
}

/// What a server keeps, gone when dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Engine {
    pub(super) fn start(broker: Broker, place: &Place, core: usize) -> Result<Self, BoxError> {
        match broker {
            Broker::Memory => Ok(Self {
                url: "memory:".to_owned(),
                counters: Vec::new(),
                servers: Vec::new(),
                _folders: Vec::new(),
            }),
            Broker::Redis => redis::start(place, core),
            Broker::RedisCluster => redis::start_cluster(place, core),
            Broker::Nats => nats::start(place, core),
        }
    }
}

impl Folder {
    pub(super) fn new(place: &Place, name: &str, port: u16) -> Result<Self, BoxError> {
        let path = place.out(&format!("engines/{name}-{port}"));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A command for a server, which Debian keeps out of the `PATH` of people.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    command.env("PATH", path);
    command
}
