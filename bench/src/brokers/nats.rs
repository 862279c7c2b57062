//! A NATS server with JetStream, which keeps its streams in files.

use super::engine::{self, Engine, Folder};
use crate::{
    BoxError,
    counters::Counter,
    place::Place,
    server::{self, Server},
};

pub(super) fn start(place: &Place, core: usize) -> Result<Engine, BoxError> {
    let (port, monitor) = (server::free_port()?, server::free_port()?);
    let folder = Folder::new(place, "nats", port)?;
    let mut command = engine::command("nats-server");
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--http_port", &monitor.to_string()]);
    command.args(["--jetstream", "--store_dir"]).arg(&folder.0);
    let server = Server::start(command, port, core, place, "nats")?;
    Ok(Engine {
        url: format!("nats://127.0.0.1:{port}"),
        counters: vec![Counter::Nats(monitor)],
        servers: vec![server],
        _folders: vec![folder],
    })
}
