//! The servers that are compared, each on a free port.

use std::process::Command;

use super::peer::Peer;
use crate::{
    BoxError,
    place::Place,
    server::{self, Server},
    transport::Transport,
};

impl Server {
    pub(super) fn start_peer(peer: &Peer, place: &Place, core: usize) -> Result<Self, BoxError> {
        let port = server::free_port()?;
        peer.copy_files(place, port)?;
        let words: Vec<String> = peer
            .program
            .iter()
            .map(|word| place.fill(word, port))
            .collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.envs(peer.environment.iter().copied());
        // Centrifugo takes its port from here, nobody else looks at it.
        command.env("CENTRIFUGO_HTTP_SERVER_PORT", port.to_string());
        Self::start(command, port, core, place, peer.name)
    }

    pub(super) fn start_limit(
        transport: Transport,
        options: &[&str],
        place: &Place,
        core: usize,
    ) -> Result<Self, BoxError> {
        let port = server::free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["limit", "--transport", transport.name()]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.args(options);
        Self::start(command, port, core, place, "limit")
    }
}
