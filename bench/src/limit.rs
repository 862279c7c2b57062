//! The bare loop that servers are compared with: it reads requests, writes bytes that are encoded
//! once, and does nothing else. No server can deliver for less, short of delivering several
//! publications in one write, which `--coalesce` does.

mod channels;
mod connection;
mod server;

use std::net::TcpListener;

use crate::{BoxError, cli::LimitOpts};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Serves until the process is ended.
pub(crate) fn run(opts: &LimitOpts) -> Result<(), BoxError> {
    let listener = TcpListener::bind(opts.listen)?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    println!("listens on http://{}", listener.local_addr()?);
    server::Server::new(listener, opts)?.serve()
}
