//! From what the user named to what is measured.

use super::{Task, mode_list::MODES, peer_list::PEERS};
use crate::{BoxError, cli::CompareOpts};

/// Everything named; what is not named is everything, or for costly modes encke alone.
pub(super) fn tasks(opts: &CompareOpts) -> Result<Vec<Task>, BoxError> {
    known("peer", &opts.peers, PEERS.iter().map(|peer| peer.name))?;
    known("mode", &opts.modes, MODES.iter().map(|mode| mode.name))?;
    let mut tasks = Vec::new();
    for peer in PEERS {
        if !opts.peers.is_empty() && !opts.peers.iter().any(|name| name == peer.name) {
            continue;
        }
        for mode in MODES {
            let wanted = if opts.modes.is_empty() {
                (mode.everyone || peer.ours) && !(opts.quick && mode.long)
            } else {
                opts.modes.iter().any(|name| name == mode.name)
            };
            if wanted && mode.suits(peer) {
                tasks.extend(mode.tasks(peer));
            }
        }
    }
    if !opts.transports.is_empty() {
        tasks.retain(|task| {
            task.transport
                .is_none_or(|transport| opts.transports.contains(&transport))
        });
    }
    Ok(tasks)
}

fn known(
    what: &str,
    named: &[String],
    all: impl Iterator<Item = &'static str>,
) -> Result<(), BoxError> {
    let all: Vec<&str> = all.collect();
    match named.iter().find(|name| !all.contains(&name.as_str())) {
        Some(name) => Err(format!("no {what} {name}; there are {}", all.join(", ")).into()),
        None => Ok(()),
    }
}
