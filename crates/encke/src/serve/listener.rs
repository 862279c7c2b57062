//! Where connections come from.

use super::STALL_LIMIT;
#[cfg(feature = "axum")]
use super::{GuardedIo, peer::Line};
#[cfg(feature = "axum")]
use crate::{Shutdown, live::Shards};
#[cfg(feature = "axum")]
use std::sync::Arc;
use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

/// How long to wait for another connection to end when the process has no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Listens for connections at an address, such as `"127.0.0.1:3000"`.
///
/// For [`serve`](crate::serve()), and with feature `axum` for `axum::serve`: see [`Listener`].
///
/// # Errors
///
/// Where the address cannot be resolved, or is taken, or not this machine's.
pub async fn listen(address: impl ToSocketAddrs) -> Result<Listener> {
    Ok(TcpListener::bind(address).await?.into())
}

/// Accepts the connections of a server, and cuts those whose peer takes nothing.
///
/// Made by [`listen`], or from a tokio `TcpListener`. [`serve`](crate::serve()) takes either.
///
/// With feature `axum` it is a listener for `axum::serve` too, for those who have a server made of
/// that: see its implementation below.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    pub(super) stall_limit: Duration,
    /// `None` for one per core.
    pub(super) shards: Option<usize>,
    /// Of the connections of a server that is not ours, once there are some.
    #[cfg(feature = "axum")]
    own_shards: Option<Arc<Shards>>,
}

impl Listener {
    /// The address it listens at, with the port it was given where it asked for port 0.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// How long a client may take nothing while data waits before its connection is cut.
    ///
    /// Default: 10 seconds.
    #[must_use]
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.stall_limit = limit;
        self
    }

    /// How many tasks write to the sessions of [`Hub::live`](crate::Hub::live) that leave HTTP.
    ///
    /// Default: one per core. Over HTTP/1.1 without TLS a session takes its socket away once its
    /// response has begun: then it costs a few hundred bytes, no task and no timer. It stays where
    /// it is if the head says that something encodes the response, or if its first bytes were
    /// changed on the way. A layer that changes only what comes later would not be asked any more:
    /// with 0 no session leaves. Elsewhere than on Linux none does.
    #[must_use]
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// The next connection, for a server that is not ours.
    #[cfg(feature = "axum")]
    pub(crate) async fn next_of_another_server(&mut self) -> (GuardedIo, SocketAddr) {
        let (stream, address) = self.next().await;
        let shards = self.own_shards.get_or_insert_with(|| {
            // They end with the hub.
            Arc::new(Shards::new(self.shards, Shutdown::new(), self.stall_limit))
        });
        let line = Arc::new(Line::of_another_server(address, shards.clone()));
        (GuardedIo::new(stream, self.stall_limit, line), address)
    }

    /// The next connection, after as many failures as it takes.
    pub(super) async fn next(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.tcp.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self {
            tcp,
            stall_limit: STALL_LIMIT,
            shards: None,
            #[cfg(feature = "axum")]
            own_shards: None,
        }
    }
}

/// Whether an error of `accept` is the one connection's, not the listener's.
fn is_of_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
