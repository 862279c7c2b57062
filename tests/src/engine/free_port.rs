//! Ports that stay an engine's own while it is dead.
//!
//! The kernel takes those that it gives for port 0 for outgoing connections too. One that tries to
//! reach a dead engine there may get the engine's port for itself, connect to itself, and keep the
//! engine from coming back. So these are below them.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A node of a Redis cluster takes the port 10,000 above too; Linux gives from 32,768.
const PORTS: Range<u16> = 12_000..22_000;

/// A port that nobody listens on, and that this process has not given before.
pub(super) fn free_port() -> u16 {
    // Elsewhere in every process, as several may run at once.
    static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let random = RandomState::new().hash_one(());
        AtomicUsize::new(random as usize % PORTS.len())
    });
    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        let port = PORTS.start + u16::try_from(next).expect("below the number of ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("none of the ports {PORTS:?} is free");
}
