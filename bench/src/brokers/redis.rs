//! Redis servers that keep nothing on disk, alone or as a cluster.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::engine::{self, Engine, Folder};
use crate::{
    BoxError,
    counters::{Counter, ask_redis, printed},
    place::Place,
    server::{self, Server},
};

const MASTERS: usize = 3;

/// How long the nodes of a cluster may take to find each other.
const AGREEMENT: Duration = Duration::from_secs(30);

pub(super) fn start(place: &Place, core: usize) -> Result<Engine, BoxError> {
    Ok(engine(vec![start_server(place, core, &[])?]))
}

pub(super) fn start_cluster(place: &Place, core: usize) -> Result<Engine, BoxError> {
    let mut started = Vec::new();
    for _ in 0..MASTERS {
        // Without it, it is the port 10,000 above, which may be none.
        let bus = server::free_port()?.to_string();
        let options = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        started.push(start_server(place, core, &options)?);
    }
    let engine = engine(started);
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]);
    create.args(addresses(&engine.servers));
    printed(create.args(["--cluster-replicas", "0", "--cluster-yes"]))?;
    let begun = Instant::now();
    while !is_complete(&engine.servers)? {
        if begun.elapsed() > AGREEMENT {
            return Err(format!("the cluster is not complete after {AGREEMENT:?}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(engine)
}

fn engine(started: Vec<(Server, Folder)>) -> Engine {
    let (servers, folders): (Vec<Server>, Vec<Folder>) = started.into_iter().unzip();
    let counters = servers.iter().map(|server| Counter::Redis(server.port()));
    Engine {
        url: format!("redis://{}", addresses(&servers).join(",")),
        counters: counters.collect(),
        servers,
        _folders: folders,
    }
}

fn addresses(servers: &[Server]) -> Vec<String> {
    let addresses = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()));
    addresses.collect()
}

fn start_server(
    place: &Place,
    core: usize,
    options: &[&str],
) -> Result<(Server, Folder), BoxError> {
    let port = server::free_port()?;
    let folder = Folder::new(place, "redis", port)?;
    let mut command = engine::command("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]);
    command.arg(&folder.0).args(options);
    let server = Server::start(command, port, core, place, "redis")?;
    Ok((server, folder))
}

fn is_complete(servers: &[Server]) -> Result<bool, BoxError> {
    let known = format!("cluster_known_nodes:{MASTERS}");
    for server in servers {
        let info = ask_redis(server.port(), &["CLUSTER", "INFO"])?;
        let has = |text: &str| info.lines().any(|line| line.trim_end() == text);
        if !has("cluster_state:ok") || !has(&known) {
            return Ok(false);
        }
    }
    Ok(true)
}
